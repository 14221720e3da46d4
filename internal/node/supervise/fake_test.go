package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// forever is longer than any test takes on its clock.
const forever = 1000 * time.Hour

// fakeRun is one run of a fake component.
type fakeRun struct {
	readyAfter time.Duration // then Ready returns
	readyErr   error         // what it returns
	endAfter   time.Duration // then it ends by itself; 0: never
	endErr     error
	stopAfter  time.Duration // how long it takes to end once asked to
	stopErr    error
	sickFrom   time.Duration // between these Healthy fails, since the run's start
	sickTo     time.Duration
}

// fake makes a component that plays its runs one after the other, and the last one again and again.
func fake(name string, dependsOn []string, restart Restart, runs ...fakeRun) Component {
	var mu sync.Mutex
	var current fakeRun
	var started time.Time
	get := func() (fakeRun, time.Time) {
		mu.Lock()
		defer mu.Unlock()
		return current, started
	}
	return Component{
		Name: name, DependsOn: dependsOn, Restart: restart,
		Runner: Func(func(ctx context.Context) error {
			mu.Lock()
			current, started = runs[0], time.Now()
			if len(runs) > 1 {
				runs = runs[1:]
			}
			r := current
			mu.Unlock()
			if r.endAfter == 0 {
				r.endAfter = forever
			}
			select {
			case <-time.After(r.endAfter):
				return r.endErr
			case <-ctx.Done():
				time.Sleep(r.stopAfter)
				return r.stopErr
			}
		}),
		Ready: func(ctx context.Context) error {
			time.Sleep(time.Nanosecond) // on a test's clock: until the Runner has begun
			r, at := get()
			select {
			case <-time.After(time.Until(at.Add(r.readyAfter))):
				return r.readyErr
			case <-ctx.Done():
				return errors.New("waited for the dawn")
			}
		},
		Healthy: func(context.Context) error {
			if r, at := get(); time.Since(at) >= r.sickFrom && time.Since(at) < r.sickTo {
				return errors.New("sick")
			}
			return nil
		},
	}
}

// history records what a Manager tells, one line per change: time since the start, name, state, and what else
// there is to say.
type history struct {
	start time.Time
	mu    sync.Mutex
	lines []string
	busy  map[string]bool
	// also is called with each change, and may be nil.
	also func(nodeapi.ComponentStatus)
}

func newHistory() *history { return &history{start: time.Now(), busy: map[string]bool{}} }

func (h *history) add(s nodeapi.ComponentStatus) {
	line := fmt.Sprintf("%v %s %s", time.Since(h.start).Truncate(time.Millisecond), s.Name, s.State)
	if len(s.WaitsFor) > 0 {
		line += " for " + strings.Join(s.WaitsFor, ", ")
	}
	if s.Restarts > 0 {
		line += fmt.Sprintf(" #%d", s.Restarts)
	}
	if s.LastError != "" {
		line += ": " + s.LastError
	}
	h.mu.Lock()
	if h.busy[s.Name] {
		line += " (told while the change before was still being told)"
	}
	h.busy[s.Name] = true
	h.lines = append(h.lines, line)
	h.mu.Unlock()
	if h.also != nil {
		h.also(s)
	}
	h.mu.Lock()
	h.busy[s.Name] = false
	h.mu.Unlock()
}

// check compares the history with what is expected. Lines of one moment may come in any order, unless inOrder.
func (h *history) check(t *testing.T, inOrder bool, want []string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	got := slices.Clone(h.lines)
	if !inOrder {
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// runFor runs components for that long, and returns their history and Run's error.
func runFor(t *testing.T, d time.Duration, components ...Component) (*history, *Manager, error) {
	t.Helper()
	h := newHistory()
	m, err := NewManager(components, h.add)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return h, m, m.Run(ctx)
}
