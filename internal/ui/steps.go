package ui

import (
	"fmt"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
)

// Step is what is known of one step: its latest event, and when it began and ended.
type Step struct {
	event.Event
	Began, Ended time.Time
	Children     []*Step
}

// Over is true once the step has reached one of its ends.
func (s *Step) Over() bool { return Over(s.State) }

// Over is true for the states that end a step.
func Over(s event.State) bool {
	switch s {
	case event.Done, event.Failed, event.Skipped, event.Undone:
		return true
	}
	return false
}

// Elapsed is how long the step took, or has taken until now.
func (s *Step) Elapsed(now time.Time) time.Duration {
	if s.Began.IsZero() {
		return 0
	}
	if s.Over() {
		now = s.Ended
	}
	return max(now.Sub(s.Began), 0)
}

// Steps folds events into steps. It is not safe for concurrent use.
type Steps struct {
	Roots []*Step
	byID  map[string]*Step
}

// Apply takes in one event and returns the step that it belongs to. A step whose parent is not known becomes a
// root, because a misplaced line is better than a lost one. Progress after the end is ignored: it was
// overtaken.
func (s *Steps) Apply(e event.Event) *Step {
	if s.byID == nil {
		s.byID = map[string]*Step{}
	}
	st, known := s.byID[e.ID]
	if !known {
		st = &Step{Event: e, Began: e.Time}
		s.byID[e.ID] = st
		if parent := s.byID[e.Parent]; parent != nil && e.Parent != e.ID {
			parent.Children = append(parent.Children, st)
		} else {
			s.Roots = append(s.Roots, st)
		}
	}
	if known && st.Over() && e.State == event.Progress {
		return st
	}
	if known && st.Over() && e.State == event.Started { // begins anew, as a restarted component does
		st.Began = e.Time
	}
	// An event may leave out what an earlier one said.
	if e.Subject == "" {
		e.Subject = st.Subject
	}
	if e.Detail == "" && !Over(e.State) {
		e.Detail = st.Detail
	}
	st.Event = e
	if Over(e.State) {
		st.Ended = e.Time
	}
	return st
}

// Clone copies the steps, so that they can be drawn while work goes on.
func (s *Steps) Clone() []*Step { return cloneSteps(s.Roots) }

func cloneSteps(in []*Step) []*Step {
	out := make([]*Step, len(in))
	for i, st := range in {
		c := *st
		c.Children = cloneSteps(st.Children)
		out[i] = &c
	}
	return out
}

// Seconds formats a duration as "1.9s", or "2m05s" once that is easier to read.
func Seconds(d time.Duration) string {
	if d < 100*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// Amount formats how far a step is, "" if that is unknown.
func Amount(e event.Event) string {
	if e.Total <= 0 && e.Done <= 0 {
		return ""
	}
	if e.Unit == "bytes" {
		if e.Total <= 0 {
			return Bytes(e.Done)
		}
		return Bytes(e.Done) + " of " + Bytes(e.Total)
	}
	if e.Total <= 0 {
		return fmt.Sprintf("%d %s", e.Done, e.Unit)
	}
	return fmt.Sprintf("%d of %d %s", e.Done, e.Total, e.Unit)
}

// Bytes formats a size in decimal units, as Docker does.
func Bytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
