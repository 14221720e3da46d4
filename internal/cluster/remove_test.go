package cluster_test

import (
	"context"
	"errors"
	"fmt"
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

func TestRemoveAgent(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 2)
	began := len(w.engine.Calls())
	w.events.events = nil
	w.mustRemove(t, "agent-1")
	if got := w.nodes(t); !slices.Equal(got, []string{"server-1", "agent-2"}) {
		t.Errorf("nodes %q", got)
	}
	if got, want := w.kube.said(), []string{"drain skiff-demo-agent-1", "delete skiff-demo-agent-1"}; !slices.Equal(got, want) {
		t.Errorf("the API was told %q, want %q", got, want)
	}
	calls := w.calls(began, "StopContainer", "RemoveContainer", "RemoveVolume", "Exec")
	if want := []string{"StopContainer skiff-demo-agent-1", "RemoveContainer skiff-demo-agent-1", "RemoveVolume skiff-demo-agent-1"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
	inOrder(t, w.events.states(), "drain/skiff-demo-agent-1 started", "drain/skiff-demo-agent-1 done", "stop/skiff-demo-agent-1 done", "delete/node/skiff-demo-agent-1 done")
}

func TestRemoveServer(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	var asked []string
	w.engine.OnExec(func(ctx context.Context, p *dockertest.Process, spec cluster.ExecSpec) (int, error) {
		asked = append(asked, p.Name+" "+strings.Join(spec.Cmd[1:], " "))
		return fakenode.Exec(ctx, p, spec)
	})
	w.mustRemove(t, "server-1")
	if want := []string{"skiff-demo-server-3 member remove " + demoNode}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if got := w.members(t, "skiff-demo-server-2"); !slices.Equal(got, []string{"skiff-demo-server-2", "skiff-demo-server-3"}) {
		t.Errorf("members %q", got)
	}
	w.answers(t)
	// The first server is another one now.
	w.mustRemove(t, "server-3")
	if got := w.nodes(t); !slices.Equal(got, []string{"server-2", "edge-1"}) {
		t.Errorf("nodes %q", got)
	}
	w.answers(t)
	// The endpoint stays where it is when there are several again.
	ids := w.containerID(t, "skiff-demo-server-2") + w.containerID(t, demoEdge)
	w.mustAdd(t, servers(2))
	if w.containerID(t, "skiff-demo-server-2")+w.containerID(t, demoEdge) != ids {
		t.Error("something was made anew")
	}
	w.answers(t)
}

// TestRemoveStopped removes a server that broke, of which the others have been told.
func TestRemoveStopped(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	w.engine.Kill("skiff-demo-server-2", 1)
	began := len(w.engine.Calls())
	w.mustRemove(t, "server-2")
	if calls := w.calls(began, "StopContainer"); len(calls) > 0 {
		t.Errorf("what does not run was stopped: %q", calls)
	}
	if got := w.members(t, demoNode); !slices.Equal(got, []string{demoNode, "skiff-demo-server-3"}) {
		t.Errorf("members %q", got)
	}
}

func TestRemoveRefuses(t *testing.T) {
	stop := func(nodes ...string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			for _, n := range nodes {
				must(t, w.StopNode(t.Context(), "demo", n))
			}
		}
	}
	for _, tc := range []struct {
		name            string
		servers, agents int
		world           func(*testing.T, *world)
		node            string
		code            fault.Code
		words           []string
	}{
		{name: "the last server", servers: 1, agents: 1, node: "server-1", code: fault.Invalid, words: []string{"last server", "skiff delete demo", "node add --role server"}},
		{name: "the edge", servers: 3, node: "edge-1", code: fault.Invalid, words: []string{"endpoint", "skiff delete demo"}},
		{name: "one of two that run", servers: 3, world: stop("server-1"), node: "server-2", code: fault.Invalid, words: []string{"no majority", "skiff start demo"}},
		{name: "the one of three that does not run, when another does not", servers: 3, world: stop("server-1", "server-2"), node: "server-2", code: fault.Invalid,
			words: []string{"no majority", "1 would run"}},
		{name: "one of three of five that run", servers: 5, world: stop("server-1", "server-2"), node: "server-3", code: fault.Invalid, words: []string{"2 would run"}},
		{name: "nobody of that name", servers: 1, node: "agent-7", code: fault.NotFound, words: []string{"agent-7", demoNode}},
		{name: "of a stopped cluster", servers: 1, agents: 1, world: func(t *testing.T, w *world) { must(t, w.Stop(t.Context(), "demo")) }, node: "agent-1",
			code: fault.NotReady, words: []string{"is stopped", "skiff start demo"}},
		{name: "of a paused cluster", servers: 1, agents: 1, world: func(t *testing.T, w *world) { must(t, w.Pause(t.Context(), "demo")) }, node: "agent-1",
			code: fault.NotReady, words: []string{"is paused", "skiff resume demo"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", tc.servers, tc.agents)
			if tc.world != nil {
				tc.world(t, w)
			}
			before := w.changes()
			err := w.RemoveNode(t.Context(), "demo", tc.node, cluster.RemoveOptions{})
			wantFault(t, err, tc.code, tc.words...)
			if w.changes() != before || len(w.kube.said()) > 0 {
				t.Errorf("something was changed: %q", w.kube.said())
			}
		})
	}
	wantFault(t, newWorld(t).RemoveNode(t.Context(), "other", "agent-1", cluster.RemoveOptions{}), fault.NotFound)
}

// TestRemoveOfEnough allows what leaves a majority.
func TestRemoveOfEnough(t *testing.T) {
	for _, tc := range []struct {
		servers, stopped int
		node             string // the first ones are stopped
	}{{3, 0, "server-3"}, {3, 1, "server-1"}, {5, 1, "server-5"}, {5, 2, "server-1"}} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", tc.servers, 0)
			for i := range tc.stopped {
				must(t, w.StopNode(t.Context(), "demo", fmt.Sprintf("server-%d", i+1)))
			}
			w.mustRemove(t, tc.node)
			w.answers(t)
		})
	}
}

// TestRemoveStays leaves a node that is not removed after all as it was: it takes pods again.
func TestRemoveStays(t *testing.T) {
	why := errors.New("the disruption budget of default/db does not allow it")
	for name, tc := range map[string]struct {
		world func(*world, func())
		code  fault.Code
		words []string
	}{
		"its pods stay": {func(w *world, _ func()) {
			w.kube.on = func(_ context.Context, call string) error {
				return map[string]error{"drain skiff-demo-server-3": why}[call]
			}
		}, fault.NotReady, []string{"did not move", "disruption budget", "node remove skiff-demo-server-3 --force"}},
		"cancelled": {func(w *world, cancel func()) {
			w.kube.on = func(ctx context.Context, call string) error {
				if strings.HasPrefix(call, "drain") {
					cancel()
					return ctx.Err()
				}
				return ctx.Err() // an uncordoning under a dead context is none
			}
		}, fault.Canceled, []string{"the removal of node skiff-demo-server-3 was cancelled"}},
		"the datastore refuses": {func(w *world, _ func()) {
			w.engine.OnExec(func(_ context.Context, _ *dockertest.Process, spec cluster.ExecSpec) (int, error) {
				fmt.Fprintln(spec.Stderr, "the datastore refuses: unhealthy cluster")
				return 1, nil
			})
		}, fault.NodeFailed, []string{"unhealthy cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", 3, 0)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tc.world(w, cancel)
			err := w.RemoveNode(ctx, "demo", "server-3", cluster.RemoveOptions{})
			wantFault(t, err, tc.code, tc.words...)
			if got := w.nodes(t); len(got) != 4 {
				t.Errorf("nodes %q", got)
			}
			if said := w.kube.said(); said[len(said)-1] != "uncordon skiff-demo-server-3" || !slices.Contains(w.undone(), "drain/skiff-demo-server-3 undone") {
				t.Errorf("the API was told %q, the user %q", said, w.undone())
			}
		})
	}
}

// TestRemoveMajority: of three servers two are not removed at once, and nothing is done; one and an agent are.
func TestRemoveMajority(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 1)
	gone, err := w.RemoveNodes(t.Context(), "demo", []string{"agent-1", "server-2", "skiff-demo-server-3"}, cluster.RemoveOptions{})
	wantFault(t, err, fault.Invalid, "2 of the 3 servers", "majority", "Remove one")
	if got := w.nodes(t); len(gone) != 0 || len(got) != 5 {
		t.Errorf("removed %q, left %q", gone, got)
	}
	gone, err = w.RemoveNodes(t.Context(), "demo", []string{"agent-1", "server-2"}, cluster.RemoveOptions{})
	if got := w.nodes(t); err != nil || len(gone) != 2 || len(got) != 3 {
		t.Errorf("removed %q, left %q, %v", gone, got, err)
	}
	gone, err = w.RemoveNodes(t.Context(), "demo", []string{"server-3", "agent-7"}, cluster.RemoveOptions{})
	wantFault(t, err, fault.NotFound, "agent-7")
	if got := w.nodes(t); len(gone) != 1 || len(got) != 2 {
		t.Errorf("removed %q, left %q", gone, got)
	}
}

// TestRemoveStoppedAgent does not wait for pods of a node on which nobody could end them.
func TestRemoveStoppedAgent(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	must(t, w.StopNode(t.Context(), "demo", "agent-1"))
	must(t, w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{}))
	if said := w.kube.said(); !slices.Equal(said, []string{"delete skiff-demo-agent-1"}) {
		t.Errorf("the API was told %q", said)
	}
}

// TestRemoveStaysCordoned says so if a node that stays after all takes no new pods.
func TestRemoveStaysCordoned(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	w.kube.on = func(context.Context, string) error { return errors.New("connection refused") }
	err := w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{})
	wantFault(t, err, fault.NotReady, "did not move", "takes no new pods yet", "kubectl uncordon skiff-demo-agent-1")
}

// TestRemoveByForce goes on although nobody answers.
func TestRemoveByForce(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 2)
	w.kube.on = func(context.Context, string) error { return errors.New("connection refused") }
	if err := w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{}); err == nil || !strings.Contains(describe(err), "connection refused") {
		t.Errorf("error %v", err)
	}
	must(t, w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{Force: true}))
	if said := w.kube.said(); !slices.Equal(said, []string{"drain skiff-demo-agent-1", "uncordon skiff-demo-agent-1", "delete skiff-demo-agent-1"}) {
		t.Errorf("the API was told %q", said)
	}
	// That its object stays is said. The next node with its name does not get it.
	told := w.events.events
	if i := slices.IndexFunc(told, func(e event.Event) bool { return e.Subject == "object skiff-demo-agent-1" }); i < 0 || told[i].State != event.Failed || !strings.Contains(told[i].Err.Error(), "connection refused") {
		t.Errorf("not told: %q", w.events.states())
	}
	w.kube.on = nil
	w.mustAdd(t, agents(1))
	if said := w.kube.said(); said[len(said)-1] != "delete skiff-demo-agent-3" {
		t.Errorf("the API was told %q", said)
	}
	w.mustRemove(t, "agent-3")
	// And from a cluster that does not run.
	w.kube.on = func(context.Context, string) error { return errors.New("connection refused") }
	must(t, w.Stop(t.Context(), "demo"))
	must(t, w.RemoveNode(t.Context(), "demo", "agent-2", cluster.RemoveOptions{Force: true}))
	if got := w.nodes(t); !slices.Equal(got, []string{"server-1"}) {
		t.Errorf("nodes %q", got)
	}
}

// TestRemoveFailsAnywhere lets each call fail: a second attempt removes what is left, and a node can be added again.
func TestRemoveFailsAnywhere(t *testing.T) {
	injected := errors.New("the cable was cut")
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	began := len(w.engine.Calls())
	w.mustRemove(t, "server-3")
	for _, c := range w.engine.Calls()[began:] {
		t.Run(strings.ReplaceAll(c, "/", "_"), func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", 3, 0)
			w.engine.FailOn(c, injected)
			if err := w.RemoveNode(t.Context(), "demo", "server-3", cluster.RemoveOptions{}); !errors.Is(err, injected) {
				t.Errorf("error %v", err)
			}
			if slices.Contains(w.nodes(t), "server-3") {
				w.mustRemove(t, "server-3")
			}
			for _, o := range w.engine.Objects() {
				if strings.HasSuffix(o, "server-3") {
					t.Errorf("%s is left", o)
				}
			}
			if got := w.members(t, demoNode); !slices.Equal(got, []string{demoNode, "skiff-demo-server-2"}) {
				t.Errorf("members %q", got)
			}
			w.mustAdd(t, servers(1))
		})
	}
}

// TestRemoveLost removes what is left of a node whose container somebody removed; apply says so.
func TestRemoveLost(t *testing.T) {
	const file = "nodes:\n- role: server\n  count: 3\n- role: agent\n"
	w := changing(t, file)
	for _, n := range []string{"skiff-demo-server-2", "skiff-demo-agent-1"} {
		must(t, w.engine.RemoveContainer(t.Context(), n))
		short, remedy := strings.TrimPrefix(n, "skiff-demo-"), "skiff --cluster demo node remove "+n
		_, err := w.PlanApply(t.Context(), load(t, fileHead+file))
		wantFault(t, err, fault.NotReady, n+" of cluster demo has no container", remedy)
		wantFault(t, w.StartNodes(t.Context(), "demo", []string{short}, 0), fault.NotReady, "has no container", remedy)
		wantFault(t, w.StopNode(t.Context(), "demo", short), fault.NotReady, "has no container", remedy)
		status, err := w.Status(t.Context(), "demo")
		must(t, err)
		wantFault(t, status.Unready(), fault.NotReady, "not ready", remedy)
		if !slices.Contains(status.Missing, n+": has no container") {
			t.Errorf("missing is %q", status.Missing)
		}
		_, err = w.NodeNames(t.Context(), "demo", []string{short}, false)
		wantFault(t, err, fault.NotReady, "has no container", remedy)
		if names, err := w.NodeNames(t.Context(), "demo", []string{short, n}, true); err != nil || !slices.Equal(names, []string{n}) {
			t.Errorf("%s is %q, %v", short, names, err)
		}
		w.mustRemove(t, short)
	}
	if got := w.members(t, demoNode); !slices.Equal(got, []string{demoNode, "skiff-demo-server-3"}) {
		t.Errorf("members %q", got)
	}
	w.apply(t, file)

	// The only server has all the data.
	for _, agents := range []string{"", "- role: agent\n"} {
		w = changing(t, "nodes:\n- role: server\n"+agents)
		must(t, w.engine.RemoveContainer(t.Context(), demoNode))
		_, planErr := w.PlanApply(t.Context(), load(t, fileHead+file))
		_, startErr := w.Start(t.Context(), "demo", 0)
		status, err := w.Status(t.Context(), "demo")
		must(t, err)
		for _, err := range []error{
			planErr, startErr, status.Unready(),
			w.Load(t.Context(), "demo", nil, []string{"a:1"}),
			w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{}),
		} {
			if agents == "" && fault.CodeOf(err) == fault.NotFound { // there is no agent to remove
				continue
			}
			wantFault(t, err, fault.NotReady, "the data is on Docker's volume "+demoNode, "skiff delete demo")
		}
		wantFault(t, w.RemoveNode(t.Context(), "demo", "server-1", cluster.RemoveOptions{}), fault.Invalid, "skiff delete demo")
	}
}

// TestRemoveBesideLost refuses to remove a server that runs while the datastore counts one that lost its container.
func TestRemoveBesideLost(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	must(t, w.engine.RemoveContainer(t.Context(), "skiff-demo-server-3"))
	err := w.RemoveNode(t.Context(), "demo", "server-2", cluster.RemoveOptions{})
	wantFault(t, err, fault.Invalid, "of the 3 servers", "skiff --cluster demo node remove skiff-demo-server-3")
	if said := w.kube.said(); len(said) > 0 {
		t.Errorf("the API was told %q", said)
	}
	_, err = w.RemoveNodes(t.Context(), "demo", []string{"server-3", "server-2"}, cluster.RemoveOptions{})
	wantFault(t, err, fault.Invalid, "2 of the 3 servers of cluster demo are a majority")
	_, err = w.AddNodes(t.Context(), "demo", servers(1), cluster.CreateOptions{})
	wantFault(t, err, fault.Conflict, "skiff --cluster demo node remove skiff-demo-server-3")
	w.mustAdd(t, agents(1))
	w.mustRemove(t, "server-3")
	w.mustRemove(t, "server-2")
}

// TestHalfMade: what is left of a creation that was killed at its beginning is no node, and goes with the cluster.
func TestHalfMade(t *testing.T) {
	w := newWorld(t)
	must(t, w.engine.CreateVolume(t.Context(), cluster.VolumeSpec{Name: "skiff-demo-rest", Labels: map[string]string{nodeapi.LabelCluster: "demo"}}))
	status, err := w.Status(t.Context(), "demo")
	must(t, err)
	wantFault(t, status.Unready(), fault.NotReady, "run 'skiff delete demo', then create it again")
	if !slices.Contains(status.Missing, "it has no node") {
		t.Errorf("missing %q", status.Missing)
	}
}

// TestEdgeRemoved says what is gone, and that the data is not.
func TestEdgeRemoved(t *testing.T) {
	const file = "nodes:\n- role: server\n  count: 3\n"
	w := changing(t, file)
	must(t, w.engine.RemoveContainer(t.Context(), "skiff-demo-edge-1"))
	_, planErr := w.PlanApply(t.Context(), load(t, fileHead+file))
	_, startErr := w.Start(t.Context(), "demo", time.Minute)
	_, credsErr := w.Credentials(t.Context(), "demo")
	status, err := w.Status(t.Context(), "demo")
	must(t, err)
	for _, err := range []error{planErr, startErr, credsErr, status.Unready()} {
		wantFault(t, err, fault.NotReady, "all data are there", "kubectl --server https://172.")
		if strings.Contains(describe(err), "skiff delete") {
			t.Errorf("it is to be deleted: %v", describe(err))
		}
	}
	if !slices.Contains(status.Missing, "its edge has no container: nothing publishes the API on the host") {
		t.Errorf("missing %q", status.Missing)
	}
}

// TestInterruptedDrain lets pods come again to nodes that a killed change left without, also if there is nothing else to do.
func TestInterruptedDrain(t *testing.T) {
	const file = "nodes:\n- role: server\n- role: agent\n"
	w := changing(t, file)
	w.kube.interrupted = []string{"skiff-demo-agent-1"}
	for name, change := range map[string]func() error{
		"apply": func() error {
			_, err := w.Apply(t.Context(), w.plan(t, file), cluster.CreateOptions{})
			return err
		},
		"start": func() error {
			_, err := w.Start(t.Context(), "demo", time.Minute)
			return err
		},
	} {
		before := len(w.kube.said())
		must(t, change())
		if said := w.kube.said()[before:]; !slices.Equal(said, []string{"uncordon skiff-demo-agent-1"}) {
			t.Errorf("%s: the API was told %q", name, said)
		}
		w.kube.silent = errors.New("no route")
		wantFault(t, change(), fault.NotReady, "cluster demo does not say", "no route", "skiff bundle demo")
		w.kube.silent = nil
	}
}

// TestNeverMembers removes what was left of servers before they joined: the only one that there is needs no majority of them.
func TestNeverMembers(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	for _, n := range []string{"skiff-demo-server-2", "skiff-demo-server-3"} {
		must(t, w.engine.CreateVolume(t.Context(), cluster.VolumeSpec{Name: n,
			Labels: map[string]string{nodeapi.LabelCluster: "demo", nodeapi.LabelRole: string(nodeapi.RoleServer)}}))
	}
	status, err := w.Status(t.Context(), "demo")
	must(t, err)
	if status.State != cluster.StatePartial || status.Majority == nil || !status.Majority.Met || len(status.Missing) != 2 {
		t.Errorf("it is %s, majority %+v, missing %q", status.State, status.Majority, status.Missing)
	}
	w.mustRemove(t, "server-2")
	w.mustRemove(t, "server-3")
	if is := w.state(t); is != cluster.StateRunning {
		t.Errorf("it is %s", is)
	}
}

// TestLostMajority: what is left of servers counts, in what is told of the cluster.
func TestLostMajority(t *testing.T) {
	w := newWorld(t).quiet()
	w.mustCreateOf(t, "demo", 3, 0)
	w.engine.Kill("skiff-demo-edge-1", 137) // the API would answer all the same
	for _, n := range []string{"skiff-demo-server-2", "skiff-demo-server-3"} {
		must(t, w.engine.RemoveContainer(t.Context(), n))
	}
	status, err := w.Status(t.Context(), "demo")
	must(t, err)
	if status.Majority == nil || status.Majority.Met || !strings.Contains(status.Majority.Message, "1 of its 3 servers run") {
		t.Errorf("majority %+v", status.Majority)
	}
	wantFault(t, status.Unready(), fault.NotReady, "Only 1 of its 3 servers has a container", "skiff delete demo")
	w.mustStart(t)
	w.engine.OnExec(func(context.Context, *dockertest.Process, cluster.ExecSpec) (int, error) { return 1, nil })
	err = w.RemoveNode(t.Context(), "demo", "server-3", cluster.RemoveOptions{})
	wantFault(t, err, fault.NotReady, "of the 3 servers of cluster demo, 1 have a container", "skiff status demo")
}

// TestRemoveWithoutMajority says so when the datastore does not answer, also by force.
func TestRemoveWithoutMajority(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	w.SetMemberLimit(20 * time.Millisecond)
	w.engine.OnExec(func(ctx context.Context, _ *dockertest.Process, _ cluster.ExecSpec) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	err := w.RemoveNode(t.Context(), "demo", "server-3", cluster.RemoveOptions{Force: true})
	wantFault(t, err, fault.NotReady, "no majority", "skiff status demo")
	if got := w.nodes(t); len(got) != 4 {
		t.Errorf("nodes %q", got)
	}
}

// TestEdgeStopped changes nothing of a cluster whose API cannot be reached.
func TestEdgeStopped(t *testing.T) {
	w := newWorld(t).quiet()
	w.mustCreateOf(t, "demo", 3, 1)
	must(t, w.StopNode(t.Context(), "demo", "edge-1"))
	err := w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{})
	wantFault(t, err, fault.NotReady, "edge-1", "skiff start demo")
	_, err = w.PlanApply(t.Context(), load(t, fileHead+"nodes:\n- role: server\n  count: 3\n- role: agent\n  labels: {a: b}\n"))
	wantFault(t, err, fault.NotReady, "edge-1", "skiff start demo")
}

// TestRemoveCannotStop lets an agent that goes on take pods again; a server that has left the datastore takes none.
func TestRemoveCannotStop(t *testing.T) {
	for node, want := range map[string][]string{
		"agent-1":  {"drain skiff-demo-agent-1", "uncordon skiff-demo-agent-1"},
		"server-3": {"drain skiff-demo-server-3"},
	} {
		t.Run(node, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", 3, 1)
			w.engine.Fail("StopContainer", 1, errors.New("cannot stop"))
			if err := w.RemoveNode(t.Context(), "demo", node, cluster.RemoveOptions{}); err == nil || !strings.Contains(describe(err), "cannot stop") {
				t.Errorf("error %v", err)
			}
			if said := w.kube.said(); !slices.Equal(said, want) {
				t.Errorf("the API was told %q, want %q", said, want)
			}
		})
	}
}
