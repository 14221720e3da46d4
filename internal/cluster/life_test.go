package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// roles are the roles in the names of nodes of calls, each once when it follows another: "agent server edge".
func roles(calls []string) string {
	var list []string
	for _, call := range calls {
		for _, role := range []string{"server", "agent", "edge"} {
			if strings.Contains(call, "-"+role+"-") {
				list = append(list, role)
			}
		}
	}
	return strings.Join(slices.Compact(list), " ")
}

// state is that of cluster demo.
func (w *world) state(t *testing.T) cluster.State {
	t.Helper()
	c, err := w.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	return c.State
}

// mustStart starts cluster demo.
func (w *world) mustStart(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := w.Start(t.Context(), "demo", time.Minute)
	if err != nil {
		t.Fatal(describe(err))
	}
	return c
}

// TestLife goes through all that can be done with a cluster, and looks at the order in which nodes have their turn.
func TestLife(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 2)
	for _, step := range []struct {
		name   string
		do     func() error
		state  cluster.State
		method string
		order  string
	}{
		{"pause", func() error { return w.Pause(t.Context(), "demo") }, cluster.StatePaused, "PauseContainer", "agent server edge"},
		{"pause again", func() error { return w.Pause(t.Context(), "demo") }, cluster.StatePaused, "PauseContainer", ""},
		{"resume", func() error { return w.Resume(t.Context(), "demo") }, cluster.StateRunning, "UnpauseContainer", "server agent edge"},
		{"resume again", func() error { return w.Resume(t.Context(), "demo") }, cluster.StateRunning, "UnpauseContainer", ""},
		{"stop", func() error { return w.Stop(t.Context(), "demo") }, cluster.StateStopped, "StopContainer", "agent server edge"},
		{"stop again", func() error { return w.Stop(t.Context(), "demo") }, cluster.StateStopped, "StopContainer", ""},
		{"start", func() error { _, err := w.Start(t.Context(), "demo", 0); return err }, cluster.StateRunning, "StartContainer", "*"},
		{"start again", func() error { _, err := w.Start(t.Context(), "demo", 0); return err }, cluster.StateRunning, "StartContainer", ""},
		{"pause once more", func() error { return w.Pause(t.Context(), "demo") }, cluster.StatePaused, "PauseContainer", "agent server edge"},
		{"stop what is paused", func() error { return w.Stop(t.Context(), "demo") }, cluster.StateStopped, "StopContainer", "agent server edge"},
		{"start once more", func() error { _, err := w.Start(t.Context(), "demo", 0); return err }, cluster.StateRunning, "StartContainer", "*"},
	} {
		began := len(w.engine.Calls())
		must(t, step.do())
		if got := w.state(t); got != step.state {
			t.Fatalf("%s: the cluster is %s, want %s", step.name, got, step.state)
		}
		calls := w.calls(began, "PauseContainer", "UnpauseContainer", "StopContainer", "StartContainer")
		did := slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return !strings.HasPrefix(c, step.method) })
		if step.order == "*" { // at once
			if len(did) != 6 {
				t.Errorf("%s: %q", step.name, did)
			}
		} else if got := roles(did); got != step.order {
			t.Errorf("%s: the order was %q, want %q", step.name, got, step.order)
		}
		if step.order == "" && len(calls) > 0 {
			t.Errorf("%s: nothing was to be done, but %q", step.name, calls)
		}
		if step.state == cluster.StateRunning {
			w.answers(t)
		}
	}
	if got := w.members(t, demoNode); len(got) != 3 {
		t.Errorf("members %q", got)
	}
}

// TestThawedNodesSettle: what the API has of nodes that were frozen is from before, so they are waited for, and only they.
func TestThawedNodesSettle(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 1)
	must(t, w.engine.PauseContainer(t.Context(), "skiff-demo-agent-1"))
	must(t, w.Resume(t.Context(), "demo"))
	must(t, w.Pause(t.Context(), "demo"))
	w.mustStart(t)
	w.mustStart(t)
	if want := []string{"settle skiff-demo-agent-1", "settle skiff-demo-server-1 skiff-demo-server-2 skiff-demo-server-3 skiff-demo-agent-1"}; !slices.Equal(w.kube.said(), want) {
		t.Errorf("asked of the API: %q, want %q", w.kube.said(), want)
	}
	must(t, w.Pause(t.Context(), "demo"))
	w.kube.on = func(context.Context, string) error { return errors.New("no sign of life") }
	wantFault(t, w.Resume(t.Context(), "demo"), fault.NotReady, "not all nodes of cluster demo are Ready", "no sign of life", "skiff bundle demo")
}

// TestSettleByTheEnginesClock: signs of life carry the time of the nodes, which is the engine's and may not be ours.
func TestSettleByTheEnginesClock(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	must(t, w.StopNode(t.Context(), "demo", "agent-1"))
	must(t, w.Pause(t.Context(), "demo"))
	info, err := w.engine.Info(t.Context())
	must(t, err)
	info.Time = time.Now().Add(-24 * time.Hour)
	w.engine.SetInfo(info)
	_, err = w.Start(t.Context(), "demo", time.Minute)
	must(t, err)
	if !w.kube.since.Equal(info.Time) {
		t.Errorf("signs of life are asked for since %s, want %s", w.kube.since, info.Time)
	}
}

// TestResumeWithoutMajority is refused at once: no node would get ready.
func TestResumeWithoutMajority(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 1)
	w.engine.Kill("skiff-demo-server-1", 137)
	w.engine.Kill("skiff-demo-server-2", 137)
	must(t, w.Pause(t.Context(), "demo"))
	before := w.changes()
	wantFault(t, w.Resume(t.Context(), "demo"), fault.NotReady, "1 would run", "skiff start demo")
	if w.changes() != before {
		t.Error("something was changed")
	}
}

// TestStartAwaits returns only when the nodes are ready, and starts only those that do not run.
func TestStartAwaits(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 1)
	must(t, w.StopNode(t.Context(), "demo", "server-2"))
	must(t, w.StopNode(t.Context(), "demo", "agent-1"))
	if got := w.state(t); got != cluster.StatePartial {
		t.Fatalf("the cluster is %s", got)
	}
	w.events.events = nil
	began := len(w.engine.Calls())
	c := w.mustStart(t)
	if c.State != cluster.StateRunning {
		t.Errorf("the cluster is %s", c.State)
	}
	started := w.calls(began, "StartContainer")
	slices.Sort(started)
	if want := []string{"StartContainer skiff-demo-agent-1", "StartContainer skiff-demo-server-2"}; !slices.Equal(started, want) {
		t.Errorf("started %q, want %q", started, want)
	}
	states := w.events.states()
	inOrder(t, states, "node/skiff-demo-server-2 done", "start/skiff-demo-server-2 done", "ready/api done")
	inOrder(t, states, "node/skiff-demo-agent-1 done", "start/skiff-demo-agent-1 done", "ready/api done")
	for _, n := range []string{demoNode, "skiff-demo-server-3", demoEdge} {
		if !slices.Contains(states, "node/"+n+" skipped") {
			t.Errorf("not said that %s runs: %q", n, states)
		}
	}
}

// TestStartResumes lets paused nodes go on, and starts the stopped ones.
func TestStartResumes(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 2)
	must(t, w.StopNode(t.Context(), "demo", "agent-1"))
	must(t, w.Pause(t.Context(), "demo"))
	if got := w.state(t); got != cluster.StatePartial {
		t.Fatalf("the cluster is %s", got)
	}
	began := len(w.engine.Calls())
	w.mustStart(t)
	if got := w.calls(began, "StartContainer"); !slices.Equal(got, []string{"StartContainer skiff-demo-agent-1"}) {
		t.Errorf("started %q", got)
	}
	if got := w.calls(began, "UnpauseContainer"); len(got) != 2 {
		t.Errorf("resumed %q", got)
	}
	w.answers(t)
}

// TestStartFails tells why, and leaves what runs alone.
func TestStartFails(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	must(t, w.Stop(t.Context(), "demo"))
	w.engine.OnStart(func(p *dockertest.Process) int {
		p.Emit(nodeapi.Event{Kind: nodeapi.EventFatal, Message: "the clock goes backwards"})
		<-p.Stopping()
		return 1
	})
	began := len(w.engine.Calls())
	_, err := w.Start(t.Context(), "demo", time.Minute)
	wantFault(t, err, fault.NodeFailed, "the clock goes backwards", "skiff status demo", "skiff bundle demo")
	if calls := w.calls(began, "StopContainer", "RemoveContainer", "RemoveVolume"); len(calls) > 0 {
		t.Errorf("calls %q", calls)
	}
}

// TestStartOneNode starts one node and leaves others as they are.
func TestStartOneNode(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 2)
	must(t, w.StopNode(t.Context(), "demo", "agent-1"))
	must(t, w.StopNode(t.Context(), "demo", "skiff-demo-agent-2"))
	must(t, w.StopNode(t.Context(), "demo", "agent-2"))
	must(t, w.StartNodes(t.Context(), "demo", []string{"agent-2"}, time.Minute))
	must(t, w.StartNodes(t.Context(), "demo", []string{"agent-2"}, time.Minute))
	c, err := w.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := nodeStates(*c), []string{demoNode + " running", "skiff-demo-agent-1 exited", "skiff-demo-agent-2 running"}; !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q", got, want)
	}
	if n := w.engine.Count("StopContainer"); n != 2 {
		t.Errorf("%d stops", n)
	}
	for what, err := range map[string]error{
		"start": w.StartNodes(t.Context(), "demo", []string{"agent-9"}, 0), "stop": w.StopNode(t.Context(), "demo", "agent-9"),
	} {
		if wantFault(t, err, fault.NotFound, "agent-9"); err == nil {
			t.Error(what)
		}
	}
}

// all is everything that can be done with a whole cluster, and with its node agent-1.
func (w *world) all(ctx context.Context) map[string]func() error {
	return map[string]func() error{
		"start":      func() error { _, err := w.Start(ctx, "demo", time.Minute); return err },
		"stop":       func() error { return w.Stop(ctx, "demo") },
		"pause":      func() error { return w.Pause(ctx, "demo") },
		"resume":     func() error { return w.Resume(ctx, "demo") },
		"node start": func() error { return w.StartNodes(ctx, "demo", []string{"agent-1"}, time.Minute) },
		"node stop":  func() error { return w.StopNode(ctx, "demo", "agent-1") },
		"remove":     func() error { return w.RemoveNode(ctx, "demo", "agent-1", cluster.RemoveOptions{}) },
		"add": func() error {
			_, err := w.AddNodes(ctx, "demo", agents(1), cluster.CreateOptions{})
			return err
		},
	}
}

func TestLifeRefuses(t *testing.T) {
	for what, do := range newWorld(t).all(t.Context()) {
		t.Run(what+"/no cluster", func(t *testing.T) { wantFault(t, do(), fault.NotFound, "skiff create demo") })
	}
	half := newWorld(t)
	half.mustCreateOf(t, "demo", 1, 1)
	server := half.container(t, demoNode)
	must(t, half.engine.RemoveContainer(t.Context(), demoNode))
	if _, err := half.engine.CreateContainer(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	before := half.changes()
	for what, do := range half.all(t.Context()) {
		t.Run(what+"/incomplete", func(t *testing.T) {
			wantFault(t, do(), fault.NotReady, "is incomplete", "skiff delete demo")
		})
	}
	if half.changes() != before {
		t.Error("something was changed")
	}
	stopped := newWorld(t)
	stopped.mustCreate(t, "demo")
	must(t, stopped.Stop(t.Context(), "demo"))
	wantFault(t, stopped.Pause(t.Context(), "demo"), fault.NotReady, "is stopped", "skiff start demo")
	wantFault(t, stopped.Resume(t.Context(), "demo"), fault.NotReady, "not paused but stopped", "skiff start demo")
}

// TestHalfANode is in the way of everything but its own removal, of which is told.
func TestHalfANode(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	w.engine.FailOn("StartContainer skiff-demo-agent-1", errors.New("no"))
	if _, err := w.AddNodes(t.Context(), "demo", agents(1), cluster.CreateOptions{Retain: true}); err == nil {
		t.Fatal("it started")
	}
	for what, do := range w.all(t.Context()) {
		if what != "remove" {
			wantFault(t, do(), fault.NotReady, "skiff-demo-agent-1 was not made to its end", "skiff --cluster demo node remove skiff-demo-agent-1")
		}
	}
	// What is there is not given up for it when nothing runs, either.
	w.engine.Kill(demoNode, 1)
	_, err := w.Start(t.Context(), "demo", time.Minute)
	wantFault(t, err, fault.NotReady, "skiff-demo-agent-1 was not made to its end", "skiff --cluster demo node remove skiff-demo-agent-1 --force")
	must(t, w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{Force: true}))
	if _, err := w.Start(t.Context(), "demo", time.Minute); err != nil {
		t.Fatal(describe(err))
	}
	if got := w.state(t); got != cluster.StateRunning {
		t.Errorf("the cluster is %s", got)
	}
	w.mustAdd(t, agents(1))
}

// TestLifeIsCancelled says what was interrupted.
func TestLifeIsCancelled(t *testing.T) {
	for what, tc := range map[string]struct {
		method string
		world  func(*testing.T, *world)
		words  string
	}{
		"start":      {"StartContainer", stopAll, "the starting of cluster demo"},
		"stop":       {"StopContainer", nil, "the stopping of cluster demo"},
		"pause":      {"PauseContainer", nil, "the pausing of cluster demo"},
		"resume":     {"UnpauseContainer", func(t *testing.T, w *world) { must(t, w.Pause(t.Context(), "demo")) }, "the resuming of cluster demo"},
		"node start": {"StartContainer", func(t *testing.T, w *world) { must(t, w.StopNode(t.Context(), "demo", "agent-1")) }, "the starting of cluster demo"},
		"node stop":  {"StopContainer", nil, "the stopping of node skiff-demo-agent-1"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", 1, 1)
			if tc.world != nil {
				tc.world(t, w)
			}
			ctx, cancel := context.WithCancel(t.Context())
			w.engine.Before(tc.method, w.engine.Count(tc.method)+1, func(context.Context) error { cancel(); return ctx.Err() })
			wantFault(t, w.all(ctx)[what](), fault.Canceled, tc.words)
		})
	}
}

func stopAll(t *testing.T, w *world) {
	t.Helper()
	must(t, w.Stop(t.Context(), "demo"))
}

// TestFirstServerStopped asks another one, where somebody must run, and needs none where nobody must.
func TestFirstServerStopped(t *testing.T) {
	w := newWorld(t)
	created := w.mustCreateOf(t, "demo", 3, 0)
	must(t, w.StopNode(t.Context(), "demo", "server-1"))
	began := len(w.engine.Calls())
	w.answers(t)
	for _, call := range w.calls(began, "CopyFrom") {
		if strings.Contains(call, demoNode) {
			t.Errorf("%s, which is stopped", call)
		}
	}
	creds, err := w.Credentials(t.Context(), "demo")
	if err != nil || creds.Server != created.Credentials.Server {
		t.Errorf("%+v, %v", creds, err)
	}
	status, err := w.Status(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range status.Nodes {
		if reported := n.Report != nil; n.Error != "" || reported != (n.Name != demoNode) {
			t.Errorf("%s reports %+v, %s", n.Name, n.Report, n.Error)
		}
	}
	if status.State != cluster.StatePartial {
		t.Errorf("the cluster is %s", status.State)
	}
	// The first one may also break for good: the cluster goes on without it.
	must(t, w.engine.RemoveContainer(t.Context(), demoNode))
	w.answers(t)
	// Nobody runs: what is on a volume can be read all the same.
	must(t, w.engine.RemoveVolume(t.Context(), demoNode))
	must(t, w.Stop(t.Context(), "demo"))
	if again, err := w.Credentials(t.Context(), "demo"); err != nil || string(again.ClientKey) != string(creds.ClientKey) {
		t.Errorf("%v", err)
	}
}

// TestStoppedNodesAreNamed refuses what needs a node that does not run.
func TestStoppedNodesAreNamed(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	_, err := w.Shell(t.Context(), "demo", "", cluster.ExecSpec{})
	wantFault(t, err, fault.Usage, "4 nodes", demoEdge)
	must(t, w.StopNode(t.Context(), "demo", "server-1"))
	_, err = w.Shell(t.Context(), "demo", "server-1", cluster.ExecSpec{})
	wantFault(t, err, fault.NotReady, "is exited", "skiff start demo")
	wantFault(t, w.Load(t.Context(), "demo", nil, []string{"app:dev"}), fault.NotReady, "server-1 is exited", "--node skiff-demo-server-2,skiff-demo-server-3.")
}

// TestPauseTells names what is frozen, and what was not running.
func TestPauseTells(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	must(t, w.StopNode(t.Context(), "demo", "agent-1"))
	w.events.events = nil
	must(t, w.Pause(t.Context(), "demo"))
	want := []string{"pause/skiff-demo-agent-1 skipped", "pause/skiff-demo-server-1 started", "pause/skiff-demo-server-1 done"}
	if got := w.events.states(event.KindComponent); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// Nodes that cannot get ready are not started, and nobody waits for them.
func TestNodesStartWithAMajorityOnly(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 1)
	must(t, w.Stop(t.Context(), "demo"))
	started := w.engine.Count("StartContainer")
	for _, nodes := range [][]string{{"server-1"}, {"agent-1"}, {"server-3", "agent-1"}, {"server-2", "server-2"}} {
		err := w.StartNodes(t.Context(), "demo", nodes, time.Minute)
		wantFault(t, err, fault.NotReady, "without a majority of 2", "skiff start demo")
	}
	if got := w.engine.Count("StartContainer"); got != started {
		t.Errorf("%d containers were started", got-started)
	}
	// The edge is still stopped: nobody waits for the API at its port.
	must(t, w.StartNodes(t.Context(), "demo", []string{"server-1", "server-3"}, time.Minute))
	if !slices.Contains(w.events.states(), "ready/api skipped") {
		t.Errorf("told %q", w.events.states())
	}
	must(t, w.StartNodes(t.Context(), "demo", []string{"agent-1"}, time.Minute))
}

func TestNodeNames(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	names, err := w.NodeNames(t.Context(), "demo", []string{"agent-1", "skiff-demo-server-1", "skiff-demo-agent-1"}, false)
	if want := []string{"skiff-demo-agent-1", "skiff-demo-server-1"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %q, %v, want %q", names, err, want)
	}
	_, err = w.NodeNames(t.Context(), "demo", []string{"agent-1", "agent-9"}, false)
	wantFault(t, err, fault.NotFound, "agent-9", "skiff-demo-agent-1")
}

// TestStartAwaitsAll waits for nodes that ran or were frozen, too: one of them says only later that it is ready.
func TestStartAwaitsAll(t *testing.T) {
	for what, before := range map[string]func(context.Context, string) error{
		"start":  func(context.Context, string) error { return nil },
		"resume": nil,
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", 1, 2)
			if before == nil {
				before = w.Pause
			}
			must(t, before(t.Context(), "demo"))
			if what == "start" {
				must(t, w.StopNode(t.Context(), "demo", "agent-2"))
			}
			var once sync.Once
			w.engine.OnExec(func(ctx context.Context, p *dockertest.Process, spec cluster.ExecSpec) (code int, err error) {
				answered := false
				if p.Name == "skiff-demo-agent-1" && spec.Cmd[1] == "status" {
					once.Do(func() {
						answered = true
						_, err = fmt.Fprint(spec.Stdout, `{"conditions": [{"name": "node", "message": "not yet"}]}`)
						fakenode.Tell(p)
					})
				}
				if answered {
					return 0, err
				}
				return fakenode.Exec(ctx, p, spec)
			})
			said := false
			w.events.on = func(e event.Event) {
				said = said || e.ID == "start/skiff-demo-agent-1" && e.Kind == event.KindStart && e.State == event.Progress
			}
			must(t, w.all(t.Context())[what]())
			if !said || !slices.Contains(w.events.states(), "start/skiff-demo-agent-1 done") {
				t.Errorf("nobody waited: %q", w.events.states())
			}
		})
	}
}

// What is left of a cluster that has no node holds nothing that could be lost.
func TestStatusWithoutNodes(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	must(t, w.engine.RemoveContainer(t.Context(), demoNode))
	must(t, w.engine.RemoveVolume(t.Context(), demoNode))
	s, err := w.Status(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Unready(), fault.NotReady, "it has no node", "skiff delete demo")
}
