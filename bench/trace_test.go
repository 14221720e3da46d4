package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// recorded is what the two programs write, the clock running from second 10.
const (
	commandOutput = `{"time":"2026-01-01T00:00:10.1Z","id":"image","kind":"image","state":"started"}
{"time":"2026-01-01T00:00:10.15Z","id":"image","kind":"image","state":"progress","done":1,"total":2}
{"time":"2026-01-01T00:00:10.2Z","id":"image","kind":"image","state":"done"}
a line for people
{"time":"2026-01-01T00:00:10.9Z","id":"x","kind":"component","state":"done","subject":"etcd"}
{"time":"2026-01-01T00:00:11.2Z","id":"ready/dns","kind":"check","state":"done","subject":"dns"}
{"time":"2026-01-01T00:00:11.3Z","id":"ready/api","kind":"check","state":"done","subject":"api"}
`
	nodeOutput = `{"time":"2026-01-01T00:00:10.5Z","kind":"component","component":{"name":"etcd","state":"starting"}}
{"time":"2026-01-01T00:00:10.6Z","kind":"component","component":{"name":"kubelet","state":"waiting"}}
{"time":"2026-01-01T00:00:10.8Z","kind":"component","component":{"name":"etcd","state":"ready"}}
{"time":"2026-01-01T00:00:10.9Z","kind":"condition","condition":{"name":"dns","met":false,"message":"not yet"}}
{"time":"2026-01-01T00:00:11Z","kind":"condition","condition":{"name":"dns","met":true}}
{"time":"2026-01-01T00:00:11.1Z","kind":"ready"}
{"time":"2026-01-01T00:00:12Z","kind":"component","component":{"name":"late","state":"ready"}}
`
)

func recordedMarks(delay time.Duration) []mark {
	start := time.Date(2026, 1, 1, 0, 0, 10, 0, time.UTC)
	same := func(s string) string { return s }
	marks := append(commandMarks([]byte(commandOutput), same), nodeMarks([]byte(nodeOutput), same)...)
	marks = append(marks, mark{at: start.Add(-delay), who: "skiff", what: "process starts"})
	return sortMarks(marks, start.Add(1500*time.Millisecond))
}

func TestTimeline(t *testing.T) {
	table := timeline([][]mark{recordedMarks(0), recordedMarks(time.Second), recordedMarks(0)}).rows()
	var got []string
	for _, row := range table[1:] {
		got = append(got, strings.Join(slices.DeleteFunc([]string{row[0], row[2], row[6], row[7], row[8]}, func(s string) bool { return s == "" }), " "))
	}
	want := []string{
		"0.000 0.000 skiff process starts",
		"0.100 1.100 skiff image started",
		"0.200 1.200 skiff image done 0.100",
		"0.500 1.500 node etcd starting",
		"0.800 1.800 node etcd ready 0.300",
		"1.000 2.000 node condition dns met",
		"1.100 2.100 node ready",
		"1.300 2.300 skiff check api done",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTimelineCountsRepetitions(t *testing.T) {
	at := func(ms int, what string) mark {
		return mark{at: time.UnixMilli(int64(ms)), who: "node", what: what}
	}
	rows := timeline([][]mark{{at(0, "start"), at(10, "failed"), at(20, "failed")}, {at(0, "start"), at(10, "failed")}}).rows()
	if rows[2][7] != "failed" || rows[3][7] != "failed (2) [in 1 of 2]" {
		t.Errorf("got %q and %q", rows[2][7], rows[3][7])
	}
}
