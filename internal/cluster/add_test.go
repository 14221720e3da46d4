package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

const demoEdge = "skiff-demo-edge-1"

func agents(count int) cluster.Group {
	return cluster.Group{Role: nodeapi.RoleAgent, Count: count}
}
func servers(count int) cluster.Group {
	return cluster.Group{Role: nodeapi.RoleServer, Count: count}
}

// mustAdd adds nodes to cluster demo.
func (w *world) mustAdd(t *testing.T, group cluster.Group) *cluster.Cluster {
	t.Helper()
	c, err := w.AddNodes(t.Context(), "demo", group, cluster.CreateOptions{})
	if err != nil {
		t.Fatal(describe(err))
	}
	return c
}

// mustRemove removes a node of cluster demo.
func (w *world) mustRemove(t *testing.T, node string) {
	t.Helper()
	if err := w.RemoveNode(t.Context(), "demo", node, cluster.RemoveOptions{}); err != nil {
		t.Fatal(describe(err))
	}
}

// members are the datastore's, as a server of cluster demo has them: "skiff-demo-server-2 (learner)".
func (w *world) members(t *testing.T, server string) []string {
	t.Helper()
	list, err := w.Members(t.Context(), server)
	if err != nil {
		t.Fatal(describe(err))
	}
	var names []string
	for _, m := range list {
		names = append(names, m.Name+map[bool]string{true: " (learner)"}[m.Learner])
	}
	return names
}

// answers fails unless the API of cluster demo answers the administrator at its endpoint.
func (w *world) answers(t *testing.T) {
	t.Helper()
	creds, err := w.Credentials(t.Context(), "demo")
	if err == nil {
		err = cluster.AskAPI(t.Context(), creds)
	}
	if err != nil {
		t.Errorf("the API does not answer: %s", describe(err))
	}
}

// calls are those of some methods of the engine, from the n-th call of all on.
func (w *world) calls(n int, methods ...string) []string {
	return slices.DeleteFunc(w.engine.Calls()[n:], func(call string) bool {
		method, _, _ := strings.Cut(call, " ")
		return !slices.Contains(methods, method)
	})
}

// inOrder fails unless all of some lines are there, in this order, among others.
func inOrder(t *testing.T, lines []string, want ...string) {
	t.Helper()
	rest := lines
	for _, line := range want {
		i := slices.Index(rest, line)
		if i < 0 {
			t.Errorf("%q is missing, or too early:\n%s", line, strings.Join(lines, "\n"))
			return
		}
		rest = rest[i+1:]
	}
}

// TestPlanAdd compares what --dry-run prints.
func TestPlanAdd(t *testing.T) {
	for _, tc := range []struct {
		name            string
		servers, agents int
		group           cluster.Group
	}{
		{"agent", 1, 0, agents(1)},
		{"agents-to-servers", 3, 1, cluster.Group{Role: nodeapi.RoleAgent, Count: 2, CPUMillis: 500, MemoryBytes: 512 << 20}},
		{"first-further-servers", 1, 1, servers(2)},
		{"two-more-servers", 3, 0, servers(2)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			created := w.mustCreateOf(t, "demo", tc.servers, tc.agents)
			before := w.changes()
			plan, err := w.PlanAdd(t.Context(), "demo", tc.group)
			if err != nil {
				t.Fatal(describe(err))
			}
			if w.changes() != before {
				t.Error("something was changed")
			}
			// The port is one that is free on the machine of the test.
			port := created.Cluster.Endpoint[strings.LastIndexByte(created.Cluster.Endpoint, ':')+1:]
			text := strings.NewReplacer(ownLoopback, "127.0.0.1", ":"+port, ":PORT").Replace(plan.String())
			third := strings.Split(plan.Subnet.String(), ".")[2]
			testutil.Golden(t, "add/"+tc.name+".txt", strings.ReplaceAll(text, "172.30."+third, "172.30.N")+"\n")
		})
	}
}

func TestAddAgent(t *testing.T) {
	w := newWorld(t)
	s := spec("demo")
	s.Ephemeral, s.Settings = true, settings()
	s.Networks.PodCIDRs = prefixes("10.1.0.0/16", "fd01::/56")
	w.mustCreateSpec(t, s)
	id := w.containerID(t, demoNode)
	group := cluster.Group{Role: nodeapi.RoleAgent, Count: 2, CPUMillis: 500, MemoryBytes: 256 << 20, Labels: map[string]string{"disk": "ssd"},
		Taints: []nodeapi.Taint{{Key: "k", Effect: "NoSchedule"}}}
	c := w.mustAdd(t, group)
	if got, want := nodeStates(*c), []string{demoNode + " running", "skiff-demo-agent-1 running", "skiff-demo-agent-2 running"}; !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q", got, want)
	}
	if w.containerID(t, demoNode) != id || w.engine.Count("StopContainer") > 0 {
		t.Error("the server was touched")
	}
	server := w.config(t, demoNode)
	for i, name := range []string{"skiff-demo-agent-1", "skiff-demo-agent-2"} {
		got, made := w.config(t, name), w.container(t, name)
		want := server // all that is not the node's own is as the server was told
		want.Node, want.Role, want.NodePodCIDRs = name, nodeapi.RoleAgent, prefixes(fmt.Sprintf("10.1.%d.0/24", i+1), fmt.Sprintf("fd01:0:0:%d::/64", i+1))
		want.Labels, want.Taints, want.CPUMillis, want.MemoryBytes = group.Labels, group.Taints, 500, 256<<20
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s was told\n%+v, want\n%+v", name, got, want)
		}
		first := w.container(t, demoNode)
		if made.Image != first.Image || made.CPUMillis != 500 || made.MemoryBytes != 256<<20 || len(made.Ports) > 0 ||
			made.Address.As4()[3] != byte(3+i) || made.Address6.As16()[15] != byte(3+i) || made.Labels[nodeapi.LabelEphemeral] != "true" {
			t.Errorf("%s is %+v", name, made)
		}
		if files := w.engine.Files(name); slices.Contains(files, "pki/ca.key") || !slices.Contains(files, "pki/kubelet.key") {
			t.Errorf("%s has %q", name, files)
		}
	}
	w.answers(t)
}

func (w *world) containerID(t *testing.T, node string) string {
	t.Helper()
	list, err := w.engine.Containers(t.Context(), nodeapi.LabelCluster)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == node {
			return c.ID
		}
	}
	t.Fatalf("there is no %s", node)
	return ""
}

// TestAgentsAreLabelled: what a kubelet may not say of its node is written by an administrator.
func TestAgentsAreLabelled(t *testing.T) {
	w := newWorld(t)
	labels := map[string]string{"disk": "ssd", "node-role.kubernetes.io/worker": ""}
	s := spec("demo")
	s.Groups = []cluster.Group{{Role: nodeapi.RoleServer, Count: 1, Labels: labels}, {Role: nodeapi.RoleAgent, Count: 1, Labels: labels}}
	if _, err := w.Create(t.Context(), s, cluster.CreateOptions{}); err != nil {
		t.Fatal(describe(err))
	}
	group := agents(1)
	group.Labels = labels
	w.mustAdd(t, group)
	const change = "change skiff-demo-%s: labels map[node-role.kubernetes.io/worker:] without [], taints [] without []"
	if got, want := w.kube.calls, []string{fmt.Sprintf(change, "agent-1"), "delete skiff-demo-agent-2", fmt.Sprintf(change, "agent-2")}; !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// TestAddReuses gives a new node the address and the pods of one that was removed, and a name of its own.
func TestAddReuses(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 3)
	gone := w.container(t, "skiff-demo-agent-2")
	w.mustRemove(t, "agent-2")
	w.mustAdd(t, agents(2))
	if got, want := w.nodes(t), []string{"server-1", "agent-1", "agent-3", "agent-4", "agent-5"}; !slices.Equal(got, want) {
		t.Fatalf("nodes %q, want %q", got, want)
	}
	if got := w.container(t, "skiff-demo-agent-4").Address; got != gone.Address {
		t.Errorf("agent-4 has %s, and %s is free", got, gone.Address)
	}
	if got := w.config(t, "skiff-demo-agent-4").NodePodCIDRs; !slices.Equal(got, prefixes("10.244.2.0/24")) {
		t.Errorf("agent-4 has the pods %v", got)
	}
	if got := w.container(t, "skiff-demo-agent-5").Address; got.As4()[3] != 6 {
		t.Errorf("agent-5 has %s", got)
	}
	if got := w.config(t, "skiff-demo-agent-5").NodePodCIDRs; !slices.Equal(got, prefixes("10.244.4.0/24")) {
		t.Errorf("agent-5 has the pods %v", got)
	}
}

// nodes are the short names of cluster demo's nodes.
func (w *world) nodes(t *testing.T) []string {
	t.Helper()
	c, err := w.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range c.AllNodes() {
		names = append(names, strings.TrimPrefix(n.Name, "skiff-demo-"))
	}
	return names
}

// TestAddServers makes three servers of one: the API moves to an edge, and the datastore gets its members one by one.
func TestAddServers(t *testing.T) {
	w := newWorld(t)
	created := w.mustCreateOf(t, "demo", 1, 1)
	old, told := w.container(t, demoNode), w.config(t, demoNode)
	began := len(w.engine.Calls())
	w.events.events = nil
	c := w.mustAdd(t, servers(2))
	if got, want := w.nodes(t), []string{"server-1", "server-2", "server-3", "agent-1", "edge-1"}; !slices.Equal(got, want) || c.State != cluster.StateRunning {
		t.Fatalf("nodes %q, want %q; %s", got, want, c.State)
	}
	if c.Endpoint != created.Cluster.Endpoint {
		t.Errorf("the endpoint is %s now, it was %s", c.Endpoint, created.Cluster.Endpoint)
	}
	w.answers(t)

	// The first server lost its port, and nothing else.
	moved := w.container(t, demoNode)
	edge := w.container(t, demoEdge)
	if len(moved.Ports) > 0 || !reflect.DeepEqual(edge.Ports, old.Ports) || edge.Labels[nodeapi.LabelAPIPort] != old.Labels[nodeapi.LabelAPIPort] || edge.Labels[nodeapi.LabelAPIAddress] != ownLoopback {
		t.Errorf("the server publishes %v, the edge %v %v", moved.Ports, edge.Ports, edge.Labels)
	}
	moved.Ports = old.Ports
	if _, ok := moved.Labels[nodeapi.LabelAPIPort]; ok {
		t.Errorf("the server says that it has the API's port: %v", moved.Labels)
	}
	moved.Labels = old.Labels
	if !reflect.DeepEqual(moved, old) {
		t.Errorf("the server is\n%+v now, it was\n%+v", moved, old)
	}
	all := []string{demoNode, "skiff-demo-server-2", "skiff-demo-server-3"}
	told.Servers = all
	if got := w.config(t, demoNode); !reflect.DeepEqual(got, told) {
		t.Errorf("the server was told\n%+v, want\n%+v", got, told)
	}
	for i, name := range all[1:] {
		config := w.config(t, name)
		if !config.Join || !slices.Equal(config.Servers, all[:i+2]) || len(config.Taints) != 1 {
			t.Errorf("%s was told %+v", name, config)
		}
	}
	for _, name := range all {
		if got := w.members(t, name); !slices.Equal(got, all) {
			t.Errorf("the members are %q, says %s", got, name)
		}
	}
	calls := w.calls(began, "CopyFrom", "CreateVolume", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "RemoveVolume")
	inOrder(t, calls, "CopyFrom skiff-demo-server-1:/var/lib/skiff/pki/etcd-ca.key", "CreateContainer "+demoEdge, "CreateContainer "+demoNode+".new",
		"StopContainer "+demoNode, "RemoveContainer "+demoNode, "StartContainer "+demoNode, "StartContainer "+demoEdge)
	if slices.Contains(calls, "RemoveVolume "+demoNode) || slices.Contains(calls, "CreateVolume "+demoNode) {
		t.Errorf("the volume did not stay: %q", calls)
	}
	inOrder(t, w.events.states(), "move/"+demoNode+" done", "start/"+demoNode+" done",
		"member/skiff-demo-server-2 started", "member/skiff-demo-server-2 done", "node/skiff-demo-server-2 started", "start/skiff-demo-server-2 done",
		"member/skiff-demo-server-3 started", "member/skiff-demo-server-3 done", "node/skiff-demo-server-3 started", "start/skiff-demo-server-3 done",
		"ready/api done")

	// From three to five nothing has to move.
	ids := w.containerID(t, demoNode) + w.containerID(t, demoEdge)
	w.mustAdd(t, servers(2))
	if w.containerID(t, demoNode)+w.containerID(t, demoEdge) != ids {
		t.Error("something was made anew")
	}
	if got := w.members(t, demoNode); len(got) != 5 {
		t.Errorf("members %q", got)
	}
	if got := w.config(t, "skiff-demo-server-4").Servers; len(got) != 4 {
		t.Errorf("server-4 was told of %q", got)
	}
}

func TestAddRefuses(t *testing.T) {
	for _, tc := range []struct {
		name            string
		servers, agents int
		group           cluster.Group
		world           func(*testing.T, *world)
		code            fault.Code
		words           []string
	}{
		{name: "nothing", servers: 1, group: agents(0), code: fault.Invalid, words: []string{"0 nodes"}},
		{name: "an edge", servers: 1, group: cluster.Group{Role: nodeapi.RoleEdge, Count: 1}, code: fault.Invalid, words: []string{"edge"}},
		{name: "one server", servers: 1, group: servers(1), code: fault.Invalid, words: []string{"2 servers survive no more"}},
		{name: "too many servers", servers: 3, group: servers(4), code: fault.Invalid, words: []string{"7 servers"}},
		{name: "too many agents", servers: 1, agents: 1, group: agents(99), code: fault.Invalid, words: []string{"101 nodes"}},
		{name: "too large", servers: 1, group: cluster.Group{Role: nodeapi.RoleAgent, Count: 1, MemoryBytes: 9 << 30}, code: fault.Invalid, words: []string{"8192 MiB"}},
		{name: "too small", servers: 1, group: cluster.Group{Role: nodeapi.RoleAgent, Count: 1, MemoryBytes: 1 << 20}, code: fault.Invalid, words: []string{"128 MiB"}},
		{name: "a label of the kubelet's", servers: 1, group: cluster.Group{Role: nodeapi.RoleAgent, Count: 1, Labels: map[string]string{"kubernetes.io/hostname": "x"}},
			code: fault.Invalid, words: []string{"kubernetes.io/hostname is set by the kubelet"}},
		{name: "stopped", servers: 1, group: agents(1), code: fault.NotReady, words: []string{"is stopped", "skiff start demo"},
			world: func(t *testing.T, w *world) { must(t, w.Stop(t.Context(), "demo")) }},
		{name: "paused", servers: 1, group: agents(1), code: fault.NotReady, words: []string{"is paused", "skiff resume demo"},
			world: func(t *testing.T, w *world) { must(t, w.Pause(t.Context(), "demo")) }},
		{name: "a server more while one is away", servers: 3, group: servers(2), code: fault.NotReady, words: []string{"is partial", "if all of its nodes run", "skiff start demo"},
			world: func(t *testing.T, w *world) { must(t, w.StopNode(t.Context(), "demo", "server-2")) }},
		{name: "without a majority", servers: 3, group: agents(1), code: fault.NotReady, words: []string{"is partial", "while most of its servers run and no node is frozen", "skiff start demo"},
			world: func(t *testing.T, w *world) {
				must(t, w.StopNode(t.Context(), "demo", "server-2"))
				must(t, w.StopNode(t.Context(), "demo", "server-3"))
			}},
		{name: "an agent frozen", servers: 1, agents: 1, group: agents(1), code: fault.NotReady, words: []string{"is partial", "no node is frozen", "skiff resume demo"},
			world: func(t *testing.T, w *world) { must(t, w.engine.PauseContainer(t.Context(), "skiff-demo-agent-1")) }},
		{name: "without an edge", servers: 3, group: agents(1), code: fault.NotReady, words: []string{"edge-1 is exited", "skiff start demo"},
			world: func(t *testing.T, w *world) { must(t, w.StopNode(t.Context(), "demo", "edge-1")) }},
		{name: "its image is gone", servers: 1, group: agents(1), code: fault.NotFound, words: []string{nodeImageRef, "Load it"},
			world: func(_ *testing.T, w *world) {
				w.engine.Fail("Image", 0, &fault.Error{Code: fault.NotFound, Summary: "no such image"})
			}},
		{name: "made by an older skiff", servers: 1, group: agents(1), code: fault.NotReady, words: []string{"older skiff"},
			world: func(t *testing.T, w *world) { must(t, w.engine.WriteFile(demoNode, nodeapi.ConfigPath, []byte(`{}`))) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", tc.servers, tc.agents)
			if tc.world != nil {
				tc.world(t, w)
			}
			before := w.changes()
			_, err := w.AddNodes(t.Context(), "demo", tc.group, cluster.CreateOptions{})
			wantFault(t, err, tc.code, tc.words...)
			if _, planErr := w.PlanAdd(t.Context(), "demo", tc.group); planErr == nil || planErr.Error() != err.Error() {
				t.Errorf("the plan says %v, the addition %v", planErr, err)
			}
			if w.changes() != before {
				t.Error("something was changed")
			}
		})
	}
	_, err := newWorld(t).AddNodes(t.Context(), "other", agents(1), cluster.CreateOptions{})
	wantFault(t, err, fault.NotFound, "skiff create other")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(describe(err))
	}
}

// TestAddAgentToTwoServers is possible although nobody would create two: one of three was removed.
func TestAddAgentToTwoServers(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	w.mustRemove(t, "server-2")
	w.mustAdd(t, agents(1))
	w.mustAdd(t, servers(1)) // and it can be made whole again
	if got := w.members(t, demoNode); !slices.Equal(got, []string{demoNode, "skiff-demo-server-3", "skiff-demo-server-4"}) {
		t.Errorf("members %q", got)
	}
}

// TestAddAgentWhileSomeAreAway adds an agent to a cluster of which a server and an agent are stopped.
func TestAddAgentWhileSomeAreAway(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 1)
	for _, node := range []string{"server-1", "agent-1"} {
		must(t, w.StopNode(t.Context(), "demo", node))
	}
	w.mustAdd(t, agents(1))
	if got, want := w.nodes(t), []string{"server-1", "server-2", "server-3", "agent-1", "agent-2", "edge-1"}; !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q", got, want)
	}
	c, err := w.Get(t.Context(), "demo")
	must(t, err)
	for _, n := range c.Nodes {
		if away := n.Name == demoNode || n.Name == "skiff-demo-agent-1"; away != (n.State == cluster.NodeExited) {
			t.Errorf("%s is %s", n.Name, n.State)
		}
	}
}

// callsOfAdd are all calls that an addition makes of the engine, counted from its beginning.
func callsOfAdd(t *testing.T, group cluster.Group) []call {
	t.Helper()
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	counts := map[string]int{}
	began := len(w.engine.Calls())
	w.mustAdd(t, group)
	var calls []call
	for _, c := range w.engine.Calls()[began:] {
		method, _, _ := strings.Cut(c, " ")
		counts[method]++
		calls = append(calls, call{method, counts[method]})
	}
	return calls
}

// next is a call counted from now on.
func (w *world) next(c call) (method string, n int) { return c.method, w.engine.Count(c.method) + c.n }

// asBefore fails unless a cluster that was created with one server and one agent is as it was, but for the place of its
// endpoint.
func (w *world) asBefore(t *testing.T) {
	t.Helper()
	want := []string{"server-1", "agent-1"}
	edge, hasEdge := w.engine.Spec(demoEdge)
	if hasEdge {
		want = append(want, "edge-1")
	}
	if got := w.nodes(t); !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q: %q", got, want, w.engine.Objects())
	}
	if c, err := w.Get(t.Context(), "demo"); err != nil || c.State != cluster.StateRunning {
		t.Errorf("the cluster is %+v, %v", c, err)
	}
	for _, o := range w.engine.Objects() {
		if strings.HasPrefix(o, "volume ") && o != "volume "+demoNode && o != "volume skiff-demo-agent-1" {
			t.Errorf("%s is left", o)
		}
	}
	server := w.container(t, demoNode)
	if published := len(server.Ports) > 0; published == hasEdge {
		t.Errorf("the server publishes %v, the edge %v", server.Ports, edge.Ports)
	}
	if got := w.members(t, demoNode); !slices.Equal(got, []string{demoNode}) {
		t.Errorf("members %q", got)
	}
	w.answers(t)
}

// TestAddFailsAnywhere lets each call fail, before or after it did its work: nothing stays of the new nodes, and the
// cluster goes on.
func TestAddFailsAnywhere(t *testing.T) {
	injected := errors.New("the cable was cut")
	for _, group := range []cluster.Group{agents(1), servers(2)} {
		for _, c := range callsOfAdd(t, group) {
			for when, inject := range map[string]func(e *dockertest.Engine, method string, n int){
				"before": func(e *dockertest.Engine, method string, n int) { e.Fail(method, n, injected) },
				"after": func(e *dockertest.Engine, method string, n int) {
					e.After(method, n, func(context.Context) error { return injected })
				},
			} {
				if when == "after" && c == (call{"RenameContainer", 1}) {
					continue // its answer is that there is nothing to rename
				}
				t.Run(fmt.Sprintf("%s/%s/%s", group.Role, c, when), func(t *testing.T) {
					w := newWorld(t)
					w.mustCreateOf(t, "demo", 1, 1)
					method, n := w.next(c)
					inject(w.engine, method, n)
					if _, err := w.AddNodes(t.Context(), "demo", group, cluster.CreateOptions{}); !errors.Is(err, injected) {
						t.Errorf("error %v", err)
					}
					w.asBefore(t)
				})
			}
		}
	}
}

// TestAddIsCancelledAnywhere is Ctrl-C at each call.
func TestAddIsCancelledAnywhere(t *testing.T) {
	for _, group := range []cluster.Group{agents(1), servers(2)} {
		for _, c := range callsOfAdd(t, group) {
			t.Run(fmt.Sprintf("%s/%s", group.Role, c), func(t *testing.T) {
				w := newWorld(t)
				w.mustCreateOf(t, "demo", 1, 1)
				ctx, cancel := context.WithCancelCause(t.Context())
				ctrlC := errors.New("ctrl-c")
				method, n := w.next(c)
				w.engine.Before(method, n, func(context.Context) error { cancel(ctrlC); return nil })
				_, err := w.AddNodes(ctx, "demo", group, cluster.CreateOptions{})
				wantFault(t, err, fault.Canceled)
				if !errors.Is(err, ctrlC) {
					t.Errorf("the cause is lost: %v", err)
				}
				w.asBefore(t)
			})
		}
	}
}

// TestAddOfServersFails tells apart what happens to the endpoint: it goes back unless its edge runs.
func TestAddOfServersFails(t *testing.T) {
	for name, tc := range map[string]struct {
		call    string // that fails; of a call of replace, which names an ID, the method
		edge    bool   // it stays
		touched bool   // the first server
	}{
		"certificates":           {"CopyFrom " + demoNode + ":/var/lib/skiff/pki/etcd-ca.key", false, false},
		"the server stays":       {"StopContainer " + demoNode, false, true},
		"the edge is not made":   {"CreateContainer " + demoEdge, false, false},
		"the server stays as is": {"CreateContainer " + demoNode + ".new", false, false},
		"the server stays away":  {"RenameContainer", false, true},
		"the server is not told": {"CopyTo " + demoNode + ":/var/lib/skiff", false, true},
		"the edge":               {"StartContainer " + demoEdge, false, true},
		"the second server":      {"StartContainer skiff-demo-server-2", true, true},
		"the third server":       {"StartContainer skiff-demo-server-3", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", 1, 1)
			id := w.containerID(t, demoNode)
			if strings.Contains(tc.call, " ") {
				w.engine.FailOn(tc.call, errors.New("no"))
			} else {
				w.engine.Fail(tc.call, w.engine.Count(tc.call)+2, errors.New("no"))
			}
			if _, err := w.AddNodes(t.Context(), "demo", servers(2), cluster.CreateOptions{}); err == nil {
				t.Fatal("no error")
			}
			w.asBefore(t)
			if _, edge := w.engine.Spec(demoEdge); edge != tc.edge {
				t.Errorf("there is an edge: %t", edge)
			}
			if touched := w.containerID(t, demoNode) != id; touched != tc.touched {
				t.Errorf("the server was made anew: %t", touched)
			}
			if !tc.edge && tc.touched {
				if !slices.Contains(w.undone(), "move/"+demoNode+" undone") {
					t.Errorf("not told: %q", w.undone())
				}
				if got := w.config(t, demoNode).Servers; !slices.Equal(got, []string{demoNode}) {
					t.Errorf("the server still hopes for %q", got)
				}
			}
			// Nothing is in the way of another attempt.
			w.mustAdd(t, servers(2))
			w.answers(t)
		})
	}
}

// TestPortIsTakenMeanwhile has a program that takes the API's port while it moves.
func TestPortIsTakenMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 0)
	port := w.container(t, demoNode).Ports[0].HostPort
	w.engine.After("RemoveContainer", w.engine.Count("RemoveContainer")+1, func(context.Context) error {
		w.engine.TakePort(port)
		return nil
	})
	_, err := w.AddNodes(t.Context(), "demo", servers(2), cluster.CreateOptions{})
	if err == nil || !strings.Contains(describe(err), "could not be given back") || !strings.Contains(describe(err), "skiff start demo") {
		t.Errorf("error %s", describe(err))
	}
	if left := w.engine.Objects(); !slices.Equal(left, []string{"container " + demoNode, "network skiff-demo", "volume " + demoNode}) {
		t.Errorf("there is %q", left)
	}
}

// TestAddKeepsWhatOthersAdd lets two skiffs add at once: one wins, and the other takes nothing of it away.
func TestAddKeepsWhatOthersAdd(t *testing.T) {
	for _, group := range []cluster.Group{agents(1), servers(2)} {
		w := newWorld(t)
		w.mustCreateOf(t, "demo", 3, 0)
		other := w.another()
		type others struct{}
		var once sync.Once
		w.engine.Before("CreateVolume", 0, func(ctx context.Context) error { // the plan has been made
			if ctx.Value(others{}) == nil {
				once.Do(func() {
					if _, err := other.AddNodes(context.WithValue(t.Context(), others{}, true), "demo", group, cluster.CreateOptions{}); err != nil {
						t.Error(describe(err))
					}
				})
			}
			return nil
		})
		_, err := w.AddNodes(t.Context(), "demo", group, cluster.CreateOptions{})
		wantFault(t, err, fault.Conflict, "another skiff is adding nodes", "try again")
		if got, want := len(w.nodes(t)), 4+group.Count; got != want {
			t.Errorf("%d nodes, want %d: %q", got, want, w.nodes(t))
		}
		if got := w.members(t, demoNode); len(got) != 3+group.Count*map[nodeapi.Role]int{nodeapi.RoleServer: 1}[group.Role] {
			t.Errorf("members %q", got)
		}
		if said := w.kube.said(); len(said) > 0 {
			t.Errorf("objects were removed: %q", said)
		}
		w.answers(t)
	}
}

// TestAddRetains leaves what did not become ready, for a closer look.
func TestAddRetains(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	w.engine.OnStart(func(p *dockertest.Process) int {
		p.Emit(nodeapi.Event{Kind: nodeapi.EventFatal, Message: "no space for images"})
		<-p.Stopping()
		return 1
	})
	_, err := w.AddNodes(t.Context(), "demo", agents(1), cluster.CreateOptions{Retain: true})
	wantFault(t, err, fault.NodeFailed, "no space for images", "skiff bundle demo")
	if got := w.nodes(t); !slices.Equal(got, []string{"server-1", "agent-1"}) {
		t.Errorf("nodes %q", got)
	}
}

// TestAddCleansUp removes the objects of nodes that did not become ready from the cluster's API.
func TestAddCleansUp(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	w.engine.FailOn("StartContainer skiff-demo-agent-2", errors.New("no"))
	if _, err := w.AddNodes(t.Context(), "demo", agents(2), cluster.CreateOptions{}); err == nil {
		t.Fatal("no error")
	}
	said := w.kube.said()
	slices.Sort(said)
	if want := []string{"delete skiff-demo-agent-1", "delete skiff-demo-agent-1", "delete skiff-demo-agent-2", "delete skiff-demo-agent-2"}; !slices.Equal(said, want) { // before, what is left of former ones
		t.Errorf("the API was told %q, want %q", said, want)
	}
	// What cannot be removed is said, and what to do about it does not cost the whole cluster.
	w.engine.FailOn("StartContainer skiff-demo-agent-1", errors.New("no"))
	w.engine.Fail("RemoveVolume", 0, errors.New("the volume is stuck"))
	_, err := w.AddNodes(t.Context(), "demo", agents(1), cluster.CreateOptions{})
	if err == nil || !strings.Contains(describe(err), "node remove") || strings.Contains(describe(err), "skiff delete") {
		t.Errorf("error %v", describe(err))
	}
}

// failingServer lets the second server join the datastore, as a voter, and end before it is ready; from its n-th start on it
// stays.
func (w *world) failingServer(n int) {
	starts := 0
	w.engine.OnStart(func(p *dockertest.Process) int {
		if p.Name != "skiff-demo-server-2" {
			return fakenode.Run(p)
		}
		starts++
		stop, err := fakenode.Start(p)
		if err != nil {
			return 1
		}
		defer stop()
		if starts >= n {
			<-p.Stopping()
		}
		return 1
	})
}

// TestAddOfVoterFails adds a server that becomes a member with a vote and ends: it is there for the vote on its removal.
func TestAddOfVoterFails(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	w.SetMemberLimit(5 * time.Second)
	w.failingServer(2)
	w.engine.Before("Exec", 0, func(context.Context) error { // the removal is asked for when it has ended
		for len(w.calls(0, "StartContainer")) == 5 && w.engine.Runs("skiff-demo-server-2") {
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	if _, err := w.AddNodes(t.Context(), "demo", servers(2), cluster.CreateOptions{}); err == nil {
		t.Fatal("no error")
	}
	w.asBefore(t)
}

// TestAddKeepsVoter keeps a server that is a member with a vote and does not come back: without it, the cluster would be
// lost.
func TestAddKeepsVoter(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 0)
	w.SetMemberLimit(200 * time.Millisecond)
	w.failingServer(100)
	const start = "StartContainer skiff-demo-server-2"
	broken := true
	w.engine.Before("StartContainer", 0, func(context.Context) error { // it starts once only
		calls := w.calls(0, "StartContainer")
		if at := slices.Index(calls, start); broken && calls[len(calls)-1] == start && at < len(calls)-1 {
			return errors.New("no space left on device")
		}
		return nil
	})
	_, err := w.AddNodes(t.Context(), "demo", servers(2), cluster.CreateOptions{})
	if text := describe(err); !strings.Contains(text, "node skiff-demo-server-2 is kept") || !strings.Contains(text, "no majority") || !strings.Contains(text, "node remove skiff-demo-server-2") ||
		strings.Contains(text, "skiff delete") {
		t.Errorf("error %s", text)
	}
	if got, want := w.nodes(t), []string{"server-1", "server-2", "edge-1"}; !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q", got, want)
	}
	if left := w.engine.Objects(); !slices.Contains(left, "volume skiff-demo-server-2") || slices.Contains(left, "volume skiff-demo-server-3") {
		t.Errorf("there is %q", left)
	}
	if strings.Count(strings.Join(w.kube.said(), "\n"), "delete skiff-demo-server-2") > 1 { // the first is before it is made
		t.Error("its object was removed")
	}
	// When it runs after all, it can go.
	broken = false
	w.engine.OnStart(fakenode.Run)
	if _, err := w.Start(t.Context(), "demo", time.Minute); err != nil {
		t.Fatal(describe(err))
	}
	w.mustRemove(t, "server-2")
	w.answers(t)
}

// TestAddServersToOneAtOnce lets two skiffs add servers to one: the server moves once.
func TestAddServersToOneAtOnce(t *testing.T) {
	for name, method := range map[string]string{ // the call in which the other begins
		"both have planned":         "CreateVolume",
		"the other has its volumes": "CreateContainer",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreateOf(t, "demo", 1, 0)
			other := w.another()
			var once sync.Once
			var otherErr error
			type others struct{}
			w.engine.Before(method, 0, func(ctx context.Context) error {
				if ctx.Value(others{}) == nil {
					once.Do(func() {
						_, otherErr = other.AddNodes(context.WithValue(t.Context(), others{}, true), "demo", servers(2), cluster.CreateOptions{})
					})
				}
				return nil
			})
			_, err := w.AddNodes(t.Context(), "demo", servers(2), cluster.CreateOptions{})
			loser := err
			if method == "CreateContainer" {
				must(t, err)
				loser = otherErr
			} else {
				must(t, otherErr)
			}
			wantFault(t, loser, fault.Conflict, "another skiff is adding", "try again")
			if got, want := w.nodes(t), []string{"server-1", "server-2", "server-3", "edge-1"}; !slices.Equal(got, want) {
				t.Errorf("nodes %q, want %q", got, want)
			}
			moved := 0
			for _, call := range w.calls(0, "RemoveContainer") {
				moved += strings.Count(call, demoNode)
			}
			if moved != 1 {
				t.Errorf("the server was made anew %d times", moved)
			}
			w.answers(t)
		})
	}
}

// foreign puts a container that is not Skiff's on the cluster's network.
func (w *world) foreign(t *testing.T, name string, address netip.Addr) netip.Addr {
	t.Helper()
	_, err := w.engine.CreateContainer(t.Context(), cluster.ContainerSpec{Name: name, Image: nodeImageRef, Network: "skiff-demo", Address: address})
	must(t, err)
	w.engine.OnStart(func(p *dockertest.Process) int {
		if !strings.HasPrefix(p.Name, "skiff-") {
			<-p.Stopping()
			return 0
		}
		return fakenode.Run(p)
	})
	must(t, w.engine.StartContainer(t.Context(), name))
	list, err := w.engine.Containers(t.Context(), "")
	must(t, err)
	for _, c := range list {
		if c.Name == name {
			address = c.Addresses["skiff-demo"]
		}
	}
	return address
}

// TestAddBesideOthers gives new nodes no address that a container of others has on the cluster's network.
func TestAddBesideOthers(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 0)
	first := w.container(t, demoNode).Address
	next := first.Next()
	if got := w.foreign(t, "dynamic", netip.Addr{}); got.As4()[3] != 128 {
		t.Errorf("the dynamic address is %s", got)
	}
	w.foreign(t, "fixed", next) // as networks from before there was a part for others do
	w.mustAdd(t, agents(1))
	if got := w.container(t, "skiff-demo-agent-1").Address; got != next.Next() {
		t.Errorf("the agent has %s", got)
	}
	// It takes the address after the plan was made.
	var once sync.Once
	w.engine.Before("CreateVolume", 0, func(context.Context) error {
		once.Do(func() { w.foreign(t, "late", next.Next().Next()) })
		return nil
	})
	_, err := w.AddNodes(t.Context(), "demo", agents(1), cluster.CreateOptions{})
	if wantFault(t, err, fault.Conflict, next.Next().Next().String()); strings.Contains(describe(err), "another skiff") {
		t.Error(describe(err))
	}
	w.answers(t)
}

// TestAddServersKeepsUnknown keeps what a newer Skiff has told the server that moves.
func TestAddServersKeepsUnknown(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 0)
	content, err := w.engine.ReadFile(demoNode, nodeapi.ConfigPath)
	must(t, err)
	must(t, w.engine.WriteFile(demoNode, nodeapi.ConfigPath, []byte(strings.Replace(string(content), "{", `{"future": {"a": 1},`, 1))))
	w.mustAdd(t, servers(2))
	if content, err = w.engine.ReadFile(demoNode, nodeapi.ConfigPath); err != nil || !strings.Contains(string(content), `"future"`) {
		t.Errorf("%s\n%v", content, err)
	}
	if got := w.config(t, demoNode).Servers; len(got) != 3 {
		t.Errorf("the server was told of %q", got)
	}
}
