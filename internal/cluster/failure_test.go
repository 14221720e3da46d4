package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// call is the n-th call of a method of the engine.
type call struct {
	method string
	n      int
}

func (c call) String() string { return fmt.Sprintf("%s-%d", c.method, c.n) }

// callsOfCreate are all calls that a creation makes of the engine, in which no other program takes its port on this
// machine. The engine records them, so that none is forgotten here.
func callsOfCreate(t *testing.T) []call {
	t.Helper()
	w := newWorld(t)
	w.mustCreate(t, "demo")
	for w.engine.Count("CreateNetwork") > 1 { // it began anew
		w = newWorld(t)
		w.mustCreate(t, "demo")
	}
	counts := map[string]int{}
	var calls []call
	for _, c := range w.engine.Calls() {
		method, _, _ := strings.Cut(c, " ")
		counts[method]++
		calls = append(calls, call{method, counts[method]})
	}
	if len(calls) < 15 {
		t.Fatalf("only %d calls: %v", len(calls), calls)
	}
	return calls
}

// TestCreateFailsAnywhere lets each call fail, once before anything was done and once after everything was (an
// answer that was lost): the error comes through, and nothing is left.
func TestCreateFailsAnywhere(t *testing.T) {
	injected := errors.New("the cable was cut")
	for _, c := range callsOfCreate(t) {
		for when, inject := range map[string]func(*dockertest.Engine){
			"before": func(e *dockertest.Engine) { e.Fail(c.method, c.n, injected) },
			"after": func(e *dockertest.Engine) {
				e.After(c.method, c.n, func(context.Context) error { return injected })
			},
		} {
			if when == "after" && c == (call{"Image", 1}) {
				continue // its answer is that there is none: another error would be no loss
			}
			t.Run(c.String()+"/"+when, func(t *testing.T) {
				w := newWorld(t)
				inject(w.engine)
				_, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
				if !errors.Is(err, injected) {
					t.Errorf("error %v", err)
				}
				w.nothingLeft(t)
				if undone := w.undone(); w.engine.Count("RemoveVolume") > 0 && !slices.Contains(undone, "volume/skiff-demo-server-1 undone") {
					t.Errorf("not told of the rollback: %q", undone)
				}
			})
		}
	}
}

func (w *world) undone() []string {
	return slices.DeleteFunc(w.events.states(), func(s string) bool { return !strings.HasSuffix(s, " undone") })
}

// TestCreateIsCancelledAnywhere is Ctrl-C at each call.
func TestCreateIsCancelledAnywhere(t *testing.T) {
	for _, c := range callsOfCreate(t) {
		t.Run(c.String(), func(t *testing.T) {
			w := newWorld(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			ctrlC := errors.New("ctrl-c")
			w.engine.Before(c.method, c.n, func(context.Context) error { cancel(ctrlC); return nil })
			_, err := w.Create(ctx, spec("demo"), cluster.CreateOptions{})
			wantFault(t, err, fault.Canceled)
			if !errors.Is(err, ctrlC) {
				t.Errorf("the cause is lost: %v", err)
			}
			w.nothingLeft(t)
		})
	}
}

// TestCreateIsCancelledWhileItWaits is Ctrl-C when nothing is asked of the engine.
func TestCreateIsCancelledWhileItWaits(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.engine.OnStart(func(p *dockertest.Process) int {
		p.Emit(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &nodeapi.ComponentStatus{Name: "etcd", State: nodeapi.StateStarting}})
		<-p.Stopping()
		return 0
	})
	w.events.on = func(e event.Event) {
		if e.Subject == "etcd" {
			cancel()
		}
	}
	_, err := w.Create(ctx, spec("demo"), cluster.CreateOptions{})
	wantFault(t, err, fault.Canceled)
	w.nothingLeft(t)
}

// TestEngineGoesOnAfterCancel checks that nobody hangs up on an engine that is creating something: it would go on,
// and what it makes would appear after the rollback.
func TestEngineGoesOnAfterCancel(t *testing.T) {
	for _, method := range []string{"CreateVolume", "CreateNetwork", "CreateContainer", "StartContainer"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			ctx, cancel := context.WithCancel(t.Context())
			w.engine.Before(method, 1, func(call context.Context) error {
				cancel()
				select {
				case <-call.Done():
					t.Error("the client hung up")
				case <-time.After(20 * time.Millisecond): // the time that the engine takes
				}
				return nil
			})
			_, err := w.Create(ctx, spec("demo"), cluster.CreateOptions{})
			wantFault(t, err, fault.Canceled)
			w.nothingLeft(t)
		})
	}
}

// TestEngineHangsAfterCancel has an engine that never answers: the creation gives up in the end.
func TestEngineHangsAfterCancel(t *testing.T) {
	w := newWorld(t)
	w.SetGrace(10 * time.Millisecond)
	held := w.engine.Block("CreateNetwork", 0)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-held.Reached(); cancel() }()
	_, err := w.Create(ctx, spec("demo"), cluster.CreateOptions{})
	wantFault(t, err, fault.Canceled)
	w.nothingLeft(t)
}

// TestRollbackFails tells of both failures, and of the way out.
func TestRollbackFails(t *testing.T) {
	w := newWorld(t)
	first, second := errors.New("no start"), errors.New("no removal")
	w.engine.Fail("StartContainer", 1, &fault.Error{Code: fault.DockerRefused, Summary: "refused", Hint: "see the log", Cause: first})
	w.engine.Fail("RemoveContainer", 1, second)
	_, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
	wantFault(t, err, fault.DockerRefused, "skiff delete demo")
	if !errors.Is(err, first) || !errors.Is(err, second) {
		t.Errorf("one of the errors is lost: %v", err)
	}
	if told := w.events.states(); told[len(told)-1] != "rollback failed" {
		t.Errorf("told %q", told)
	}
	if err := w.Delete(t.Context(), "demo"); err != nil {
		t.Error(err)
	}
	w.nothingLeft(t)
}

func TestRetain(t *testing.T) {
	w := newWorld(t)
	w.engine.Fail("StartContainer", 1, errors.New("no start"))
	if _, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{Retain: true}); err == nil {
		t.Fatal("no error")
	}
	if got := len(w.engine.Objects()); got != 3 {
		t.Errorf("kept %q", w.engine.Objects())
	}
	c, err := w.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if c.State != cluster.StateIncomplete {
		t.Errorf("state %s", c.State)
	}
	if told := w.events.states(); slices.Contains(told, "rollback started") {
		t.Errorf("told %q", told)
	}
	// What is in the way of the next one is told in sentences that stand for themselves.
	_, err = w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
	wantFault(t, err, fault.Exists, "a cluster demo exists already (incomplete)", "Another skiff may be working on it. If none is,",
		"\nTo remove it, with all that is in it, run 'skiff delete demo'.")
}

// TestNodeDoesNotBecomeReady looks at every way in which a start can go wrong.
func TestNodeDoesNotBecomeReady(t *testing.T) {
	etcd := nodeapi.ComponentStatus{Name: "etcd", State: nodeapi.StateFailed, LastError: "exit status 7", LastLog: []string{"opening the datastore", "disk is on fire"}}
	for _, tc := range []struct {
		name  string
		run   func(*dockertest.Process) int
		exec  dockertest.ExecFunc
		code  fault.Code
		words []string
	}{
		{
			name: "it says why", code: fault.NodeFailed, words: []string{"skiff-demo-server-1", "no cgroups here", "--retain", "bundle"},
			run: func(p *dockertest.Process) int {
				p.Emit(nodeapi.Event{Kind: nodeapi.EventFatal, Message: "no cgroups here"})
				<-p.Stopping()
				return 1
			},
		},
		{
			name: "it ends without a word", code: fault.NodeFailed, words: []string{"it ended", "exec format error"},
			run: func(p *dockertest.Process) int {
				fmt.Fprintln(p.Stderr(), "exec format error")
				return 1
			},
		},
		{
			name: "a component failed before it ended", code: fault.NodeFailed, words: []string{"etcd is failed: exit status 7", "disk is on fire"},
			run: func(p *dockertest.Process) int {
				p.Emit(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &etcd})
				return 1
			},
		},
		{
			name: "the host's inotify instances are used up", code: fault.NodeFailed,
			words: []string{"inotify_init: too many open files", "sudo sysctl -w fs.inotify.max_user_instances=512", "--retain"},
			run: func(p *dockertest.Process) int {
				kubelet := nodeapi.ComponentStatus{Name: "kubelet", State: nodeapi.StateGivenUp, LastError: "start cAdvisor: inotify_init: too many open files"}
				p.Emit(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &kubelet})
				<-p.Stopping()
				return 1
			},
		},
		{
			name: "a component is given up", code: fault.NodeFailed, words: []string{"etcd", "disk is on fire"},
			run: func(p *dockertest.Process) int {
				given := etcd
				given.State = nodeapi.StateGivenUp
				p.Emit(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &given})
				<-p.Stopping()
				return 0
			},
		},
		{
			name: "time is up", code: fault.NotReady, words: []string{"not ready after 1s", "dns: nobody answers", "etcd is failed", "disk is on fire"},
			run: func(p *dockertest.Process) int {
				p.Emit(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &etcd})
				p.Emit(nodeapi.Event{Kind: nodeapi.EventCondition, Condition: &nodeapi.Condition{Name: nodeapi.ConditionDNS, Message: "nobody answers"}})
				p.Emit(nodeapi.Event{Kind: nodeapi.EventCondition, Condition: &nodeapi.Condition{Name: nodeapi.ConditionNode, Met: true}})
				<-p.Stopping()
				return 0
			},
			exec: func(context.Context, *dockertest.Process, cluster.ExecSpec) (int, error) { return 1, nil },
		},
		{
			name: "time is up, and the node knows more", code: fault.NotReady, words: []string{"the last line of the log"},
			run: func(p *dockertest.Process) int { <-p.Stopping(); return 0 },
			exec: func(_ context.Context, _ *dockertest.Process, spec cluster.ExecSpec) (int, error) {
				_, err := fmt.Fprintln(spec.Stdout, `{"conditions":[{"name":"dns"}],"components":[{"name":"coredns","state":"starting","lastLog":["the last line of the log"]}]}`)
				return 0, err
			},
		},
		{
			name: "time is up, and it never spoke", code: fault.NotReady, words: []string{"has not said anything", "kernel too old"},
			run: func(p *dockertest.Process) int {
				fmt.Fprintln(p.Stdout(), "kernel too old")
				<-p.Stopping()
				return 0
			},
			exec: func(context.Context, *dockertest.Process, cluster.ExecSpec) (int, error) { return 1, nil },
		},
		{
			name: "the API does not answer", code: fault.NotReady, words: []string{"the API does not answer on https://127.0.0.1:"},
			run: func(p *dockertest.Process) int { // without serving
				fakenode.Tell(p)
				<-p.Stopping()
				return 0
			},
		},
		{
			name: "another API answers", code: fault.NotReady, words: []string{"certificate"},
			run: func(p *dockertest.Process) int {
				impostor := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				impostor.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
				_ = impostor.Listener.Close()
				impostor.Listener = p.Listener(nodeapi.APIServerPort)
				impostor.StartTLS()
				defer impostor.Close()
				fakenode.Tell(p)
				<-p.Stopping()
				return 0
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.engine.OnStart(tc.run)
			if tc.exec != nil {
				w.engine.OnExec(tc.exec)
			}
			opts := cluster.CreateOptions{Wait: time.Second} // enough for a node to say its piece
			if tc.code == fault.NodeFailed {
				opts.Wait = time.Minute // it is not the time that ends it
			}
			_, err := w.Create(t.Context(), spec("demo"), opts)
			wantFault(t, err, tc.code, tc.words...)
			w.nothingLeft(t)
		})
	}
}

// TestRecoveredComponent fails once and comes back: that is no failure of the creation.
func TestRecoveredComponent(t *testing.T) {
	w := newWorld(t)
	w.engine.OnStart(func(p *dockertest.Process) int {
		for _, state := range []nodeapi.State{nodeapi.StateStarting, nodeapi.StateFailed, nodeapi.StateBackoff, nodeapi.StateStarting, nodeapi.StateUnhealthy} {
			p.Emit(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &nodeapi.ComponentStatus{Name: "etcd", State: state, LastError: "slow disk"}})
		}
		return fakenode.Run(p)
	})
	w.mustCreate(t, "demo")
	var states []string
	for _, e := range w.events.events {
		if e.Subject == "etcd" {
			states = append(states, string(e.State))
		}
	}
	if want := []string{"started", "failed", "progress", "started", "progress", "started", "done"}; !slices.Equal(states, want) {
		t.Errorf("etcd: %q, want %q", states, want)
	}
}
