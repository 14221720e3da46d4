package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
)

func TestChoose(t *testing.T) {
	for _, tc := range []struct {
		name       string
		probe      Probe
		env        map[string]string
		want       Mode
		wantColour bool
	}{
		{name: "terminal", probe: Probe{Terminal: true}, want: ModeTUI, wantColour: true},
		{name: "no terminal", want: ModePlain},
		{name: "dumb terminal", probe: Probe{Terminal: true}, env: map[string]string{"TERM": "dumb"}, want: ModePlain},
		{name: "CI", probe: Probe{Terminal: true}, env: map[string]string{"CI": "true"}, want: ModePlain, wantColour: true},
		{name: "NO_COLOR keeps the animation", probe: Probe{Terminal: true}, env: map[string]string{"NO_COLOR": "1"}, want: ModeTUI},
		{name: "JSON", probe: Probe{Terminal: true, JSON: true, Quiet: true}, want: ModeJSON, wantColour: true},
		{name: "quiet", probe: Probe{Terminal: true, Quiet: true}, want: ModeQuiet, wantColour: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.probe.Getenv = func(k string) string { return tc.env[k] }
			if got := Choose(tc.probe); got != tc.want {
				t.Errorf("mode %q, want %q", got, tc.want)
			}
			if got := tc.probe.Colour(); got != tc.wantColour {
				t.Errorf("colour %v, want %v", got, tc.wantColour)
			}
		})
	}
}

var zero = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func story() []event.Event {
	at := func(ms int, e event.Event) event.Event {
		e.Time = zero.Add(time.Duration(ms) * time.Millisecond)
		return e
	}
	return []event.Event{
		at(0, event.Event{ID: "image", Kind: event.KindImage, State: event.Skipped}),
		at(0, event.Event{ID: "start", Kind: event.KindStart, State: event.Started, Subject: "n1"}),
		at(100, event.Event{ID: "etcd", Parent: "start", Kind: event.KindComponent, State: event.Started, Subject: "etcd"}),
		at(400, event.Event{ID: "etcd", Parent: "start", Kind: event.KindComponent, State: event.Done}),
		at(500, event.Event{ID: "dns", Parent: "start", Kind: event.KindCheck, State: event.Started, Subject: "dns"}),
		at(900, event.Event{ID: "dns", Parent: "start", Kind: event.KindCheck, State: event.Failed, Err: errors.New("no\nanswer")}),
		at(950, event.Event{ID: "start", Kind: event.KindStart, State: event.Progress, Done: 1, Total: 2, Unit: "components"}),
		at(1900, event.Event{ID: "start", Kind: event.KindStart, State: event.Done}),
		at(1950, event.Event{ID: "start", Kind: event.KindStart, State: event.Progress}),
	}
}

func TestPlain(t *testing.T) {
	for _, tc := range []struct {
		name    string
		verbose bool
		want    []string
	}{
		{"steps", false, []string{
			"Node image is in Docker already",
			"  FAILED: Not met: cluster DNS answers (0.4s): no answer",
			"Kubernetes is up on n1 (1.9s)",
		}},
		{"verbose", true, []string{
			"Node image is in Docker already",
			"  etcd is ready (0.3s)",
			"  FAILED: Not met: cluster DNS answers (0.4s): no answer",
			"Kubernetes is up on n1 (1.9s)",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			r := NewPlain(&b, tc.verbose)
			for _, e := range story() {
				r.Emit(e)
			}
			r.Close()
			r.Emit(story()[0])
			if got, want := b.String(), strings.Join(tc.want, "\n")+"\n"; got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	r := NewJSON(&b)
	for _, e := range story() {
		r.Emit(e)
	}
	r.Close()
	r.Emit(story()[0])
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(story()) {
		t.Fatalf("%d lines for %d events", len(lines), len(story()))
	}
	for i, l := range lines {
		var got struct {
			ID, Kind, State, Error string
			Time                   time.Time
		}
		if err := json.Unmarshal([]byte(l), &got); err != nil {
			t.Fatal(err)
		}
		want := story()[i]
		if got.ID != want.ID || got.State != string(want.State) || !got.Time.Equal(want.Time) {
			t.Errorf("line %d: %s", i, l)
		}
		if want.Err != nil && got.Error != want.Err.Error() {
			t.Errorf("error %q, want %q", got.Error, want.Err)
		}
	}
}

func TestSentenceOfEveryKind(t *testing.T) {
	for kind := range phrases {
		for _, state := range []event.State{event.Started, event.Progress, event.Done, event.Failed, event.Skipped, event.Undone} {
			s := Sentence(event.Event{Kind: kind, State: state, Subject: "thing"})
			if s == "" || strings.Contains(s, "%") || strings.Contains(s, "  ") {
				t.Errorf("%s %s: %q", kind, state, s)
			}
		}
	}
	if got := Sentence(event.Event{Kind: "brew", Subject: "tea", State: event.Done}); got != "brew tea done" {
		t.Errorf("unknown kind: %q", got)
	}
}

func TestSteps(t *testing.T) {
	var s Steps
	for _, e := range story() {
		s.Apply(e)
	}
	if len(s.Roots) != 2 || len(s.Roots[1].Children) != 2 {
		t.Fatalf("roots %d", len(s.Roots))
	}
	start := s.Roots[1]
	if start.State != event.Done {
		t.Errorf("progress after the end changed the state to %q", start.State)
	}
	if got := start.Elapsed(zero.Add(time.Hour)); got != 1900*time.Millisecond {
		t.Errorf("elapsed %v", got)
	}
	// What the renderer draws must not change under it.
	clone := s.Clone()
	s.Apply(event.Event{ID: "start", State: event.Undone, Time: zero.Add(time.Minute)})
	if clone[1].State != event.Done {
		t.Error("the clone changed")
	}
	if s.Roots[1].Kind != "" && s.Roots[1].Subject != "n1" {
		t.Errorf("the subject was lost: %+v", s.Roots[1].Event)
	}
}

func TestUnits(t *testing.T) {
	for got, want := range map[string]string{
		Seconds(1940 * time.Millisecond): "1.9s",
		Seconds(125 * time.Second):       "2m05s",
		Bytes(12):                        "12 B",
		Bytes(1234):                      "1 kB",
		Bytes(246e6):                     "246 MB",
		Bytes(3.2e9):                     "3.2 GB",
		Amount(event.Event{}):            "",
		Amount(event.Event{Done: 1, Total: 3, Unit: "nodes"}):               "1 of 3 nodes",
		Amount(event.Event{Done: 5e6, Unit: "bytes"}):                       "5 MB",
		Amount(event.Event{Done: 5e6, Total: 1e7, Unit: "bytes"}):           "5 MB of 10 MB",
		Amount(event.Event{Done: 4, Unit: "objects", State: event.Started}): "4 objects",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
