package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// history records changes of state, one line each, and lets a test wait for one.
type history struct {
	start time.Time
	mu    sync.Mutex
	lines []string
	last  map[string]State
	moved chan struct{}
}

func newHistory() *history {
	return &history{start: time.Now(), last: map[string]State{}, moved: make(chan struct{})}
}

func (h *history) add(s Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := fmt.Sprintf("%v %s %s", time.Since(h.start), s.Name, s.State)
	if s.State == StateSuspect || s.State == StateDown {
		line += ": " + s.LastError
	}
	h.lines = append(h.lines, line)
	h.last[s.Name] = s.State
	close(h.moved)
	h.moved = make(chan struct{})
}

// await waits until a target is in a state.
func (h *history) await(t testing.TB, name string, state State) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		h.mu.Lock()
		now, moved := h.last[name], h.moved
		h.mu.Unlock()
		if now == state {
			return
		}
		select {
		case <-moved:
		case <-deadline:
			t.Fatalf("%s is %q after a minute, want %q", name, now, state)
		}
	}
}

func (h *history) check(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.lines, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(h.lines, "\n\t"), strings.Join(want, "\n\t"))
	}
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// plan is what checks find between two times since the start.
type plan struct {
	from, to time.Duration
	err      error // nil: no answer
}

// errSlow stands for success after a second.
var errSlow = errors.New("slow")

// fakeCheck plays a plan; where it has nothing, checks succeed.
type fakeCheck struct {
	start  time.Time
	plan   []plan
	checks *atomic.Int64
	closed *atomic.Int64
}

func (c fakeCheck) Check(ctx context.Context) error {
	c.checks.Add(1)
	for _, p := range c.plan {
		if now := time.Since(c.start); now < p.from || now >= p.to {
			continue
		}
		if p.err == nil {
			<-ctx.Done()
			return ctx.Err()
		}
		if errors.Is(p.err, errSlow) {
			time.Sleep(time.Second)
			return nil
		}
		return p.err
	}
	return nil
}

func (c fakeCheck) Close() { c.closed.Add(1) }

// event is something that happens to the only target at a time since the start.
type event struct {
	at   time.Duration
	what func(f *Forwarder, t *target)
}

func dialed(err error) func(*Forwarder, *target) {
	return func(_ *Forwarder, t *target) { t.dialed(err) }
}

// TestStates follows a target through its life.
func TestStates(t *testing.T) {
	sick := errors.New("/readyz answers 500")
	refused := fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	const forever = 1000 * time.Hour
	hold := func(f *Forwarder, _ *target) { f.pick(&link{}, nil) }
	for _, tc := range []struct {
		name   string
		plan   []plan
		events []event
		runFor time.Duration // a minute if zero
		want   []string
		closed int64 // how often kept connections are dropped, once (at the end) if zero
	}{
		{
			name: "serves",
			want: []string{"0s a healthy"},
		},
		{
			name: "starts: refuses, then is not ready, then serves",
			plan: []plan{{0, 1 * time.Second, refused}, {time.Second, 3 * time.Second, sick}},
			// Checks after 0, 0.25, 0.75, 1.75 and 3.75 s.
			want: []string{"0s a down: dial: connection refused", "3.75s a healthy"},
		},
		{
			name: "fails one check only",
			plan: []plan{{5 * time.Second, 5100 * time.Millisecond, sick}},
			want: []string{"0s a healthy", "5s a suspect: /readyz answers 500", "5.25s a healthy"},
		},
		{
			name: "is not ready for a while",
			plan: []plan{{5 * time.Second, 7 * time.Second, sick}},
			want: []string{
				"0s a healthy", "5s a suspect: /readyz answers 500", "5.25s a down: /readyz answers 500", "8.75s a healthy",
			},
		},
		{
			name:   "does not answer any more, in use: out after period and two checks",
			events: []event{{10 * time.Second, hold}},
			plan:   []plan{{10*time.Second + 1, forever, nil}},
			runFor: 30 * time.Second,
			want: []string{
				"0s a healthy", "13s a suspect: context deadline exceeded", "15s a down: context deadline exceeded",
			},
		},
		{
			name: "is gone for an hour: found again within 5 s",
			plan: []plan{{5 * time.Second, time.Hour + time.Second, refused}},
			want: []string{
				"0s a healthy", "5s a suspect: dial: connection refused", "5.25s a down: dial: connection refused",
				"1h0m2.75s a healthy",
			},
			runFor: 2 * time.Hour,
		},
		{
			name:   "refuses a client, and comes back",
			events: []event{{7 * time.Second, dialed(refused)}},
			plan:   []plan{{7 * time.Second, 8 * time.Second, refused}},
			// The next check comes at once, because the last is 2 s old; then after 0.25 and 0.5 s, and so on.
			want:   []string{"0s a healthy", "7s a down: dial: connection refused", "8.75s a healthy"},
			closed: 2, // they may outlive what listens
		},
		{
			name:   "refuses a client while a check that began before succeeds",
			events: []event{{5500 * time.Millisecond, dialed(refused)}},
			plan:   []plan{{5 * time.Second, 5*time.Second + 1, errSlow}, {5*time.Second + 1, 7 * time.Second, refused}},
			want:   []string{"0s a healthy", "5.5s a down: dial: connection refused", "7.75s a healthy"},
			closed: 2,
		},
		{
			name:   "is down, and a client gets through",
			events: []event{{30 * time.Second, dialed(nil)}},
			plan:   []plan{{0, 29 * time.Second, sick}},
			want:   []string{"0s a down: /readyz answers 500", "30s a healthy"},
		},
		{
			name:   "is not to blame for what this machine lacks",
			events: []event{{7 * time.Second, dialed(fmt.Errorf("dial: %w", syscall.EMFILE))}},
			plan:   []plan{{10 * time.Second, 20 * time.Second, fmt.Errorf("dial: %w", syscall.EADDRNOTAVAIL)}},
			want:   []string{"0s a healthy"},
		},
		{
			name:   "is not to blame for a client that went away",
			events: []event{{7 * time.Second, dialed(fmt.Errorf("dial: %w", context.Canceled))}},
			want:   []string{"0s a healthy"},
		},
		{
			name:   "is removed, and fails afterwards",
			events: []event{{7 * time.Second, func(f *Forwarder, _ *target) { f.SetTargets(nil) }}, {8 * time.Second, dialed(refused)}},
			want:   []string{"0s a healthy", "7s a removed"},
		},
		{
			name: "is removed while it has a connection, and comes back as another",
			events: []event{
				{6 * time.Second, hold},
				{7 * time.Second, func(f *Forwarder, _ *target) { f.SetTargets(nil) }},
				{8 * time.Second, func(f *Forwarder, _ *target) { f.SetTargets([]Target{{Name: "a"}}) }},
				{9 * time.Second, func(f *Forwarder, t *target) {
					for l := range t.links {
						f.release(t, l)
					}
				}},
			},
			want:   []string{"0s a healthy", "7s a draining", "8s a healthy", "9s a removed"},
			closed: 2, // two targets
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHistory()
				var checks, closed atomic.Int64
				f := New(Config{Log: quiet, OnChange: h.add, Check: func(Dial) Check {
					return fakeCheck{h.start, tc.plan, &checks, &closed}
				}})
				f.SetTargets([]Target{{Name: "a"}})
				only := f.targets[0]
				f.begin()
				for _, e := range tc.events {
					time.Sleep(time.Until(h.start.Add(e.at)))
					e.what(f, only)
				}
				time.Sleep(time.Until(h.start.Add(max(tc.runFor, time.Minute))))
				f.end()
				h.check(t, tc.want...)
				if got, want := closed.Load(), max(tc.closed, 1); got != want {
					t.Errorf("the check was closed %d times, want %d", got, want)
				}
			})
		})
	}
}

// TestCheckedOnlySoOften counts the checks of an hour.
func TestCheckedOnlySoOften(t *testing.T) {
	refused := fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	const hour = time.Hour
	for _, tc := range []struct {
		name  string
		plan  []plan
		busy  bool
		dials bool // ten clients try every second, and fail
		want  int64
	}{
		{name: "idle", want: 720},
		{name: "in use", busy: true, want: 3600},
		{name: "down", plan: []plan{{0, hour, refused}}, want: 724},
		{name: "down, and wanted", plan: []plan{{0, hour, refused}}, dials: true, want: 724},
		{name: "not ready, and wanted", plan: []plan{{0, hour, errors.New("503")}}, dials: true, want: 724},
		{name: "silent", plan: []plan{{0, hour, nil}}, want: 723},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var checks, closed atomic.Int64
				start := time.Now()
				f := New(Config{Log: quiet, Check: func(Dial) Check { return fakeCheck{start, tc.plan, &checks, &closed} }})
				f.SetTargets([]Target{{Name: "a"}})
				if tc.busy {
					f.pick(&link{}, nil)
				}
				f.begin()
				for time.Since(start) < hour-time.Millisecond {
					if tc.dials {
						f.targets[0].dialed(refused)
					}
					time.Sleep(min(100*time.Millisecond, hour-time.Millisecond-time.Since(start)))
				}
				f.end()
				if got := checks.Load(); got != tc.want {
					t.Errorf("%d checks, want %d", got, tc.want)
				}
			})
		})
	}
}

// TestPick has connections spread evenly over what is best.
func TestPick(t *testing.T) {
	f := New(Config{Log: quiet})
	f.SetTargets([]Target{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "a"}})
	for i, s := range []State{StateHealthy, StateHealthy, StateSuspect, StateDown} {
		f.targets[i].state = s
	}
	names := func(l *link, n int) string {
		var names []string
		var tried []*target
		for range n {
			t := f.pick(l, tried)
			if t == nil {
				names = append(names, "none")
				continue
			}
			names = append(names, t.Name)
			if n > 1 { // one connection that fails everywhere
				f.release(t, l)
				tried = append(tried, t)
			}
		}
		return strings.Join(names, " ")
	}
	if got := names(&link{}, 5); got != "a b c d none" {
		t.Errorf("tried %s", got)
	}
	count := map[string]int{}
	for range 10 {
		count[names(&link{}, 1)]++
	}
	if count["a"] != 5 || count["b"] != 5 {
		t.Errorf("ten connections: %v", count)
	}
	for l := range f.targets[0].links {
		f.release(f.targets[0], l)
	}
	for range 5 {
		if got := names(&link{}, 1); got != "a" {
			t.Errorf("a has none and b five, but %s is picked", got)
		}
	}
	for range 100 { // each ends before the next begins: in turn
		l := &link{}
		picked := f.pick(l, nil)
		count[picked.Name]++
		f.release(picked, l)
	}
	if count["a"] != 55 || count["b"] != 55 {
		t.Errorf("after a hundred more, one at a time: %v", count)
	}
}
