package main

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestParseBusy(t *testing.T) {
	got, err := parseBusy([]byte("cpu  100 20 30 9000 400 5 6 70 8 9\ncpu0 1 2 3\n"))
	if err != nil || got != 1.61 {
		t.Errorf("got %v, %v, want 1.61: user, nice, system, irq, softirq", got, err)
	}
	if _, err := parseBusy([]byte("intr 1 2 3\n")); err == nil {
		t.Error("another line was taken for the processors'")
	}
}

func TestParseProcess(t *testing.T) {
	line := "42 (a) R (b) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 25 75 20 0 9 0 12345 0 0\n"
	name, cpu, err := parseProcess([]byte(line))
	if err != nil || name != "a) R (b" || cpu != 3 {
		t.Errorf("got %q, %v, %v", name, cpu, err)
	}
	if _, _, err := parseProcess([]byte("42 (short) S 1")); err == nil {
		t.Error("a line without times was accepted")
	}
}

func TestSpentCountsNewProcessesWhole(t *testing.T) {
	before := map[string]float64{"old": 10, "ended": 5}
	if got := spent(before, map[string]float64{"old": 12, "new": 3}); got != 5 {
		t.Errorf("got %v", got)
	}
}

func TestWorkingSet(t *testing.T) {
	v1 := container.MemoryStats{Usage: 100, Stats: map[string]uint64{"total_inactive_file": 40, "inactive_file": 1}}
	v2 := container.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 30}}
	odd := container.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 300}}
	if workingSet(v1) != 60 || workingSet(v2) != 70 || workingSet(odd) != 100 {
		t.Errorf("got %v, %v, %v", workingSet(v1), workingSet(v2), workingSet(odd))
	}
}

func TestCurve(t *testing.T) {
	start := time.Unix(100, 0)
	c := &curve{times: []time.Time{start, start.Add(time.Second)}, values: []float64{1, 3}}
	for offset, want := range map[time.Duration]float64{
		-time.Second: 0, 250 * time.Millisecond: 1.5, time.Second: 3, time.Minute: 3,
	} {
		if got := c.at(start.Add(offset)); got != want {
			t.Errorf("at %v: got %v, want %v", offset, got, want)
		}
	}
	if got := (&curve{}).at(start); got != 0 {
		t.Errorf("without readings: got %v", got)
	}
}
