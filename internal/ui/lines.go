package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
)

// NewPlain writes one line per finished step, and, if verbose, one per finished part of a step. It suits logs:
// nothing is ever rewritten, and the lines say how long each step took.
func NewPlain(w io.Writer, verbose bool) Renderer { return &plain{w: w, verbose: verbose} }

type plain struct {
	mu      sync.Mutex
	w       io.Writer
	verbose bool
	closed  bool
	steps   Steps
}

func (p *plain) Emit(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	stamp(&e)
	st := p.steps.Apply(e)
	if !Over(e.State) {
		return
	}
	part := e.Parent != ""
	if part && !p.verbose && e.State != event.Failed {
		return
	}
	line := Sentence(st.Event)
	if e.State == event.Failed {
		line = "FAILED: " + line
	}
	if took := st.Elapsed(st.Ended); took >= 50*time.Millisecond {
		line += " (" + Seconds(took) + ")"
	}
	if part {
		line = "  " + line
	}
	if why := reason(st); why != "" {
		line += ": " + why
	}
	fmt.Fprintln(p.w, line)
}

func (p *plain) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

// reason says in one line why a step failed or was skipped.
func reason(s *Step) string {
	switch {
	case s.State == event.Failed && s.Err != nil:
		return oneLine(s.Err.Error())
	case s.State == event.Failed, s.State == event.Skipped:
		return s.Detail
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// NewJSON writes every event as one line of JSON, with the error as a string.
func NewJSON(w io.Writer) Renderer { return &jsonLines{enc: json.NewEncoder(w)} }

type jsonLines struct {
	mu     sync.Mutex
	enc    *json.Encoder
	closed bool
}

// jsonEvent is an event on the wire.
type jsonEvent struct {
	event.Event
	Error string `json:"error,omitempty"`
}

func (j *jsonLines) Emit(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	stamp(&e)
	out := jsonEvent{Event: e}
	if e.Err != nil {
		out.Error = e.Err.Error()
	}
	// A reader that went away is no reason to stop creating a cluster.
	_ = j.enc.Encode(out)
}

func (j *jsonLines) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
}

// NewQuiet shows nothing.
func NewQuiet() Renderer { return quiet{} }

type quiet struct{}

func (quiet) Emit(event.Event) {}
func (quiet) Close()           {}

// stamp gives an event that carries no time the present one.
func stamp(e *event.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
}
