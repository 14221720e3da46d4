package tui

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/testutil"
	"github.com/skiff-cluster/skiff/internal/ui"
)

var zero = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is an event d after the beginning of time.
func at(d time.Duration, e event.Event) event.Event {
	e.Time = zero.Add(d)
	return e
}

func creation() []event.Event {
	const node, ms = "skiff-skiff-server-1", time.Millisecond
	events := []event.Event{
		at(0, event.Event{ID: "image", Kind: event.KindImage, State: event.Started}),
		at(0, event.Event{ID: "image", Kind: event.KindImage, State: event.Skipped, Subject: "skiff-node:v1.37.2-3f9c0d5e8a21"}),
		at(0, event.Event{ID: "network", Kind: event.KindNetwork, State: event.Started, Subject: "skiff-skiff"}),
		at(90*ms, event.Event{ID: "network", Kind: event.KindNetwork, State: event.Done}),
		at(90*ms, event.Event{ID: "node", Kind: event.KindNode, State: event.Started, Subject: node}),
		at(310*ms, event.Event{ID: "node", Kind: event.KindNode, State: event.Done}),
		at(310*ms, event.Event{ID: "start", Kind: event.KindStart, State: event.Started, Subject: node, Detail: "waiting for the API server"}),
	}
	for i, c := range []string{"containerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns"} {
		events = append(events, at(330*ms, event.Event{ID: "c/" + c, Parent: "start", Kind: event.KindComponent, State: event.Started, Subject: c}))
		if i < 2 {
			events = append(events, at(500*ms, event.Event{ID: "c/" + c, Parent: "start", Kind: event.KindComponent, State: event.Done}))
		}
	}
	return append(events,
		at(600*ms, event.Event{ID: "k/dns", Parent: "start", Kind: event.KindCheck, State: event.Started, Subject: "dns", Detail: "no endpoints of kube-dns yet"}))
}

func done() []event.Event {
	events := creation()
	for _, e := range creation() {
		if e.Parent == "start" && e.State == event.Started {
			events = append(events, at(1600*time.Millisecond, event.Event{ID: e.ID, Parent: e.Parent, Kind: e.Kind, State: event.Done}))
		}
	}
	return append(events,
		at(1700*time.Millisecond, event.Event{ID: "start", Kind: event.KindStart, State: event.Done}),
		at(1700*time.Millisecond, event.Event{ID: "kubeconfig", Kind: event.KindKubeconfig, State: event.Started, Subject: "skiff-skiff"}),
		at(1710*time.Millisecond, event.Event{ID: "kubeconfig", Kind: event.KindKubeconfig, State: event.Done}))
}

func failed() []event.Event {
	why := errors.New("kube-apiserver ended: listen tcp 0.0.0.0:6443: bind: address already in use; it was tried three times within ten seconds")
	return append(creation(),
		at(2*time.Second, event.Event{ID: "c/kube-apiserver", Parent: "start", Kind: event.KindComponent, State: event.Failed, Err: why}),
		at(2*time.Second, event.Event{ID: "start", Kind: event.KindStart, State: event.Failed, Err: errors.New("node skiff-skiff-server-1 gave up")}),
		at(2*time.Second, event.Event{ID: "rollback", Kind: event.KindRollback, State: event.Started}),
		at(2100*time.Millisecond, event.Event{ID: "node", Kind: event.KindNode, State: event.Undone}),
		at(2200*time.Millisecond, event.Event{ID: "network", Kind: event.KindNetwork, State: event.Undone}),
		at(2200*time.Millisecond, event.Event{ID: "rollback", Kind: event.KindRollback, State: event.Done}))
}

func loading() []event.Event {
	return []event.Event{
		at(0, event.Event{ID: "image", Kind: event.KindImage, State: event.Started}),
		at(time.Second, event.Event{ID: "image", Kind: event.KindImage, State: event.Progress, Done: 123e6, Total: 246e6, Unit: "bytes"}),
	}
}

func TestDraw(t *testing.T) {
	for name, events := range map[string][]event.Event{
		"loading": loading(), "starting": creation(), "done": done(), "verbose": done(), "failed": failed(),
	} {
		for _, width := range []int{60, 80, 100} {
			t.Run(fmt.Sprintf("%s-%d", name, width), func(t *testing.T) {
				var steps ui.Steps
				for _, e := range events {
					steps.Apply(e)
				}
				got := draw(steps.Roots, view{
					now: zero.Add(3 * time.Second), width: width, spinner: "⠋", styles: newStyles(nil, false), verbose: name == "verbose",
				})
				for _, l := range strings.Split(got, "\n") {
					if lipgloss.Width(l) > width {
						t.Errorf("line of %d columns: %q", lipgloss.Width(l), l)
					}
				}
				testutil.Golden(t, fmt.Sprintf("%s-%d.txt", name, width), got)
			})
		}
	}
}

func TestColour(t *testing.T) {
	var steps ui.Steps
	for _, e := range creation() {
		steps.Apply(e)
	}
	for _, colour := range []bool{false, true} {
		got := draw(steps.Roots, view{now: zero, width: 80, spinner: "⠋", styles: newStyles(nil, colour)})
		if strings.Contains(got, "\x1b[") != colour {
			t.Errorf("colour %v: %q", colour, got)
		}
	}
}

// screen is a writer that many goroutines may use.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestClose holds the renderer to its end: on success, on failure, when cancelled in the middle of a step, and
// when nothing ever happened.
func TestClose(t *testing.T) {
	for name, tc := range map[string]struct {
		events  []event.Event
		verbose bool
		want    []string
	}{
		"success":   {events: done(), want: []string{"✓ Kubernetes is up on skiff-skiff-server-1", "✓ Wrote context skiff-skiff"}},
		"verbose":   {events: done(), verbose: true, want: []string{"✓ Kubernetes is up on skiff-skiff-server-1", "✓ containerd  ✓ etcd"}},
		"failure":   {events: failed(), want: []string{"✗ Kubernetes did not come up", "bind: address already in use", "↶ Removed network"}},
		"cancelled": {events: creation(), want: []string{"○ Starting Kubernetes", "✓ etcd"}},
		"nothing":   {},
	} {
		t.Run(name, func(t *testing.T) {
			var out screen
			r := New(&out, Options{Verbose: tc.verbose})
			for _, e := range tc.events {
				r.Emit(e)
			}
			ended := make(chan struct{})
			go func() { r.Close(); r.Close(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("Close hangs")
			}
			text := out.String()
			for _, w := range tc.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is missing in %q", w, text)
				}
			}
			if hidden, shown := strings.LastIndex(text, "\x1b[?25l"), strings.LastIndex(text, "\x1b[?25h"); hidden > shown {
				t.Error("the cursor stays hidden")
			}
			r.Emit(event.Event{ID: "late", Kind: event.KindNode, State: event.Done, Subject: "late"})
			if out.String() != text {
				t.Error("wrote after Close")
			}
		})
	}
}

// TestConcurrent: no terminal event of many emitters may be lost, however fast they come.
func TestConcurrent(t *testing.T) {
	var out screen
	r := New(&out, Options{})
	var wg sync.WaitGroup
	const emitters = 20
	for i := range emitters {
		wg.Go(func() {
			id := fmt.Sprintf("node-%02d", i)
			for range 200 {
				r.Emit(event.Event{ID: id, Kind: event.KindNode, State: event.Progress, Subject: id})
			}
			r.Emit(event.Event{ID: id, Kind: event.KindNode, State: event.Done, Subject: id})
		})
	}
	wg.Wait()
	r.Close()
	for i := range emitters {
		if want := fmt.Sprintf("✓ Started node node-%02d", i); !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
}
