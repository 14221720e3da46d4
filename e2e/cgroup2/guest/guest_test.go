package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPlayStopsAtTheFirstFailure(t *testing.T) {
	var ran []string
	note := func(name string, err error) step {
		return step{name, time.Minute, func(context.Context, *scenario) error { ran = append(ran, name); return err }}
	}
	var s scenario
	s.play(t.Context(), []step{note("a", nil), note("b", errors.New("broke")), note("c", nil)})
	if strings.Join(ran, "") != "ab" || s.Complete || len(s.Steps) != 2 || s.Steps[1].Failure != "broke" {
		t.Errorf("ran %v, outcome %+v", ran, s)
	}
	s = scenario{}
	s.play(t.Context(), []step{note("a", nil)})
	if !s.Complete {
		t.Errorf("outcome %+v", s)
	}
}

func TestCheckLimits(t *testing.T) {
	want := map[string]string{"memory.max": "67108864"}
	for output, ok := range map[string]bool{
		`{"memory.max":"67108864","cpu.max":"max 100000"}`: true,
		`{"memory.max":"max"}`:                             false,
		`{}`:                                               false,
		``:                                                 false,
	} {
		if err := checkLimits(output, want); (err == nil) != ok {
			t.Errorf("%q: %v", output, err)
		}
	}
}

func TestCommandSaysWhatFailed(t *testing.T) {
	out, err := command(t.Context(), "sh", "-c", "echo data; echo why >&2; exit 3")
	if out != "data\n" || err == nil || !strings.Contains(err.Error(), "exit status 3: why") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestEventuallyReturnsTheLastFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	broke := errors.New("broke")
	if err := eventually(ctx, func() error { cancel(); return broke }); !errors.Is(err, broke) {
		t.Error(err)
	}
}
