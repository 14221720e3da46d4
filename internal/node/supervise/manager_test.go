package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

func blockUntilDone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestNewManagerErrors(t *testing.T) {
	named := func(name string, dependsOn ...string) Component {
		return Component{Name: name, DependsOn: dependsOn, Runner: Func(blockUntilDone)}
	}
	for _, tc := range []struct {
		name  string
		table []Component
		want  string
	}{
		{"no name", []Component{named("")}, "a component has no name"},
		{"nothing to run", []Component{{Name: "a"}}, "component a has nothing to run"},
		{"a name twice", []Component{named("a"), named("a")}, "there are two components named a"},
		{"unknown dependency", []Component{named("a", "b")}, "component a depends on b, which is not there"},
		{"itself", []Component{named("a", "a")}, "components depend on each other: a on a"},
		{"a cycle behind others", []Component{named("a", "b"), named("b", "c"), named("c", "d"), named("d", "b")},
			"components depend on each other: b on c on d on b"},
		{"two ways to the same", []Component{named("a", "b", "c"), named("b", "d"), named("c", "d"), named("d")}, ""},
	} {
		if _, err := NewManager(tc.table, nil); errorText(err) != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, errorText(err), tc.want)
		}
	}
}

func TestDependencies(t *testing.T) {
	boom := errors.New("boom")
	after := func(d time.Duration) fakeRun { return fakeRun{readyAfter: d, stopAfter: time.Second} }
	for _, tc := range []struct {
		name  string
		table []Component
		want  []string
		err   string
	}{
		{
			name: "each starts when its own dependencies are ready, and stops after those that depend on it",
			table: []Component{
				fake("slow", nil, Restart{}, after(4*time.Second)),
				fake("fast", nil, Restart{}, after(time.Second)),
				fake("on-fast", []string{"fast"}, Restart{}, after(time.Second)),
				fake("on-both", []string{"fast", "slow"}, Restart{}, after(time.Second)),
			},
			want: []string{
				"0s slow starting", "0s fast starting", "0s on-fast waiting for fast", "0s on-both waiting for fast, slow",
				"1s fast ready", "1s on-fast starting", "1s on-both waiting for slow", "2s on-fast ready",
				"4s slow ready", "4s on-both starting", "5s on-both ready",
				"1m1s on-fast stopped", "1m1s on-both stopped", "1m2s fast stopped", "1m2s slow stopped",
			},
		},
		{
			name: "a restart leaves those that depend on it alone",
			table: []Component{
				fake("base", nil, Restart{}, fakeRun{endAfter: time.Second, endErr: boom}, fakeRun{}),
				fake("app", []string{"base"}, Restart{}, fakeRun{}),
			},
			want: []string{
				"0s base starting", "0s app waiting for base", "0s base ready", "0s app starting", "0s app ready",
				"1s base failed: boom", "1s base backoff: boom", "1.2s base starting #1: boom", "1.2s base ready #1: boom",
				"1m0s app stopped", "1m0s base stopped #1: boom",
			},
		},
		{
			name: "dependencies must be ready at the same time",
			table: []Component{
				fake("a", nil, Restart{Initial: 5 * time.Second}, fakeRun{readyAfter: time.Second, endAfter: 2 * time.Second, endErr: boom}, fakeRun{}),
				fake("b", nil, Restart{}, after(3*time.Second)),
				fake("app", []string{"a", "b"}, Restart{}, fakeRun{}),
			},
			want: []string{
				"0s a starting", "0s b starting", "0s app waiting for a, b",
				"1s a ready", "1s app waiting for b", "2s a failed: boom", "2s a backoff: boom", "2s app waiting for a, b",
				"3s b ready", "3s app waiting for a", "7s a starting #1: boom", "7s a ready #1: boom",
				"7s app starting", "7s app ready", "1m0s app stopped", "1m0s a stopped #1: boom", "1m1s b stopped",
			},
		},
		{
			name: "one that gives up takes the others with it, in order",
			table: []Component{
				fake("base", nil, Restart{}, after(0)),
				fake("bad", []string{"base"}, Restart{GiveUpAfter: 1}, fakeRun{readyAfter: forever, endAfter: time.Second, endErr: boom}),
				fake("app", []string{"base"}, Restart{}, after(0)),
				fake("never", []string{"bad", "unready"}, Restart{}, after(0)),
				fake("unready", nil, Restart{}, fakeRun{readyAfter: forever}),
			},
			want: []string{
				"0s base starting", "0s base ready", "0s bad waiting for base", "0s bad starting",
				"0s app waiting for base", "0s app starting", "0s app ready", "0s unready starting",
				"0s never waiting for bad, unready",
				"1s bad failed: boom", "1s bad given-up: boom", "1s never stopped", "1s unready stopped",
				"2s app stopped", "3s base stopped",
			},
			err: "bad failed: boom",
		},
		{
			name: "a failure while the others stop is no reason to start again",
			table: []Component{
				fake("base", nil, Restart{GiveUpAfter: 1}, fakeRun{endAfter: 60500 * time.Millisecond, endErr: boom}),
				fake("app", []string{"base"}, Restart{}, after(time.Second)),
			},
			want: []string{
				"0s base starting", "0s base ready", "0s app waiting for base", "0s app starting", "1s app ready",
				"1m0.5s base failed: boom", "1m0.5s base stopped: boom", "1m1s app stopped",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, _, err := runFor(t, time.Minute, tc.table...)
				h.check(t, false, tc.want)
				if errorText(err) != tc.err {
					t.Errorf("Run: %v, want %q", err, tc.err)
				}
			})
		})
	}
}

// TestOrderOfTelling: whoever listens hears that a component is ready before what waited for it starts, even if
// listening takes its time and looks at the status of all.
func TestOrderOfTelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory()
		m, err := NewManager([]Component{
			fake("app", []string{"base"}, Restart{}, fakeRun{}),
			fake("base", nil, Restart{}, fakeRun{}),
		}, h.add)
		if err != nil {
			t.Fatal(err)
		}
		h.also = func(nodeapi.ComponentStatus) {
			time.Sleep(time.Second)
			if len(m.Status()) != 2 {
				t.Error("Status is not complete")
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		h.check(t, false, []string{
			"0s app waiting for base", "0s base starting", "1s base ready", "2s app starting", "3s app ready",
			"1m0s app stopped", "1m1s base stopped",
		})
	})
}

// TestGivingUpIsExplained: the error names the component, the cause and the last log line.
func TestGivingUpIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("exited with code 1")
		var m *Manager
		m, err := NewManager([]Component{{Name: "etcd", Restart: Restart{GiveUpAfter: 2}, Runner: Func(func(context.Context) error {
			fmt.Fprintf(m.Ring("etcd"), "starting\ndisk on fire\n")
			return cause
		})}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Run(t.Context())
		want := "etcd failed 2 times in a row: exited with code 1; its last log line: disk on fire"
		if errorText(err) != want || !errors.Is(err, cause) {
			t.Errorf("got %q, want %q", errorText(err), want)
		}
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("a %T is no fault", err)
		}
		if f.Code != fault.NodeFailed || f.Hint == "" || len(f.Details) != 4 {
			t.Errorf("%+v", f)
		}
	})
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, base := fake("app", []string{"base"}, Restart{}, fakeRun{}), fake("base", nil, Restart{}, fakeRun{readyAfter: time.Second})
		base.Version = "v1.2.3"
		m, err := NewManager([]Component{app, base}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if m.Ring("nobody") != nil {
			t.Error("there is a ring of nobody")
		}
		for i := range 30 {
			fmt.Fprintf(m.Ring("base"), "%d\n", i)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		start := time.Now()
		if got := m.Status()[0]; got.State != nodeapi.StateWaiting || !slices.Equal(got.WaitsFor, []string{"base"}) {
			t.Errorf("before Run: %+v", got)
		}
		go func() { done <- m.Run(ctx) }()
		time.Sleep(500 * time.Millisecond)
		if got := m.Status()[0]; got.State != nodeapi.StateWaiting || !slices.Equal(got.WaitsFor, []string{"base"}) || got.PID != 0 {
			t.Errorf("while waiting: %+v", got)
		}
		time.Sleep(time.Minute)
		all := m.Status()
		if names := all[0].Name + " " + all[1].Name; names != "app base" {
			t.Errorf("not in the order of the table: %s", names)
		}
		got := all[1]
		if got.State != nodeapi.StateReady || !got.Since.Equal(start.Add(time.Second)) || got.Version != "v1.2.3" || got.PID != os.Getpid() {
			t.Errorf("%+v", got)
		}
		if lines := strings.Join(got.LastLog, " "); len(got.LastLog) != 20 || !strings.HasSuffix(lines, "28 29") {
			t.Errorf("last log lines %q", got.LastLog)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := m.Status()[1]; got.State != nodeapi.StateStopped || got.PID != 0 {
			t.Errorf("after Run: %+v", got)
		}
	})
}
