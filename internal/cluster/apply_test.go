package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/config"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

func (k *kube) Vacate(ctx context.Context, _ *cluster.Credentials, node string, _ func(string)) (cordoned bool, err error) {
	return !k.cordoned[node], k.call(ctx, "vacate", node)
}

func (k *kube) ChangeNode(ctx context.Context, _ *cluster.Credentials, node string, c cluster.NodeChange) error {
	return k.call(ctx, "change", fmt.Sprintf("%s: labels %v without %v, taints %v without %v", node, c.SetLabels, c.RemoveLabels, c.SetTaints, c.RemoveTaints))
}

// fileHead begins every cluster file here.
const fileHead = "apiVersion: skiff.dev/v1alpha1\nkind: Cluster\nmetadata: {name: demo}\n"

// load reads a cluster file.
func load(t *testing.T, text string) cluster.Spec {
	t.Helper()
	file, _, err := config.Load(config.Stdin, strings.NewReader(text))
	if err != nil {
		t.Fatal(describe(err))
	}
	s, err := file.Spec()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// changing is a world with a cluster, made of a file.
func changing(t *testing.T, file string) *world {
	t.Helper()
	w := newWorld(t)
	w.SetHost(func(uint16) bool { return false })
	if _, err := w.Create(t.Context(), load(t, fileHead+file), cluster.CreateOptions{}); err != nil {
		t.Fatal(describe(err))
	}
	return w
}

// plan plans to apply a file.
func (w *world) plan(t *testing.T, file string) *cluster.ApplyPlan {
	t.Helper()
	p, err := w.PlanApply(t.Context(), load(t, fileHead+file))
	if err != nil {
		t.Fatal(describe(err))
	}
	return p
}

// apply applies a file, and checks that there is nothing to do afterwards.
func (w *world) apply(t *testing.T, file string) {
	t.Helper()
	if _, err := w.Apply(t.Context(), w.plan(t, file), cluster.CreateOptions{Wait: time.Minute}); err != nil {
		t.Fatal(describe(err))
	}
	if p := w.plan(t, file); !p.Empty() {
		t.Errorf("there is still something to do:\n%s", p)
	}
}

// ids are the containers' IDs by name: a container that was made anew has another.
func (w *world) ids(t *testing.T) map[string]string {
	t.Helper()
	containers, err := w.engine.Containers(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, c := range containers {
		ids[strings.TrimPrefix(c.Name, "skiff-demo-")] = c.ID
	}
	return ids
}

// since are the calls of the engine that changed containers, since there were so many calls.
func (w *world) since(n int) (calls []string) {
	for _, c := range w.engine.Calls()[n:] {
		switch method, _, _ := strings.Cut(c, " "); method {
		case "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "RemoveVolume":
			calls = append(calls, strings.Replace(c, "skiff-demo-", "", 1))
		}
	}
	return calls
}

// TestApplyPlans holds the plan for each pair of cluster files, a cluster's and what it is to become, to its golden file.
func TestApplyPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/apply/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			before, after, _ := strings.Cut(string(content), "---\n")
			w := newWorld(t).quiet()
			if before != "" {
				if _, err := w.Create(t.Context(), load(t, before), cluster.CreateOptions{}); err != nil {
					t.Fatal(describe(err))
				}
			}
			if first, _, _ := strings.Cut(before, "\n"); strings.HasPrefix(first, "# stopped: ") {
				for _, node := range strings.Fields(first)[2:] {
					must(t, w.StopNode(t.Context(), "demo", node))
				}
			}
			p, err := w.PlanApply(t.Context(), load(t, after))
			if err != nil {
				t.Fatal(describe(err))
			}
			again, err := w.PlanApply(t.Context(), load(t, after))
			if err != nil || again.String() != p.String() {
				t.Errorf("the second plan is another:\n%s\n%v", again, err)
			}
			text := p.String()
			if refusal := p.Refusal(); refusal != nil {
				text += "\n\n" + describe(refusal)
			}
			testutil.Golden(t, "apply/"+name+".txt", text+"\n")
		})
	}
}

// TestApply applies files one after the other to a cluster, and checks that what is not affected is left alone.
func TestApply(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n")
	first := w.ids(t)
	for _, step := range []struct {
		what, file string
		calls      []string // of the engine
		kube       []string
		remade     []string // containers
	}{
		{
			what:  "the first agents",
			file:  "nodes:\n- role: server\n- role: agent\n  count: 2\n",
			calls: []string{"CreateContainer agent-1", "CreateContainer agent-2", "StartContainer agent-1", "StartContainer agent-2"},
			kube:  []string{"delete agent-1", "delete agent-2", "change server-1: labels map[] without [], taints [{node-role.kubernetes.io/control-plane  NoSchedule}] without []"},
		},
		{
			what: "labels and taints",
			file: "nodes:\n- role: server\n- role: agent\n  count: 2\n  labels: {disk: fast}\n",
			kube: []string{"change agent-1: labels map[disk:fast] without [], taints [] without []", "change agent-2: labels map[disk:fast] without [], taints [] without []"},
		},
		{
			what: "settings: processes begin anew, containers stay",
			file: "kubernetes: {extraArgs: {kubelet: {max-pods: 50}}}\nnodes:\n- role: server\n- role: agent\n  count: 2\n  labels: {disk: fast}\n",
		},
		{
			what:  "the size of agents: their containers are made anew, one after the other",
			file:  "kubernetes: {extraArgs: {kubelet: {max-pods: 50}}}\nnodes:\n- role: server\n- role: agent\n  count: 2\n  memory: 1Gi\n  labels: {disk: slow}\n",
			calls: []string{"CreateContainer agent-1.new", "StopContainer agent-1", "RemoveContainer agent-1", "StartContainer agent-1", "CreateContainer agent-2.new", "StopContainer agent-2", "RemoveContainer agent-2", "StartContainer agent-2"},
			kube: []string{"change agent-1: labels map[disk:slow] without [], taints [] without []", "change agent-2: labels map[disk:slow] without [], taints [] without []",
				"vacate agent-1", "uncordon agent-1", "vacate agent-2", "uncordon agent-2"},
			remade: []string{"agent-1", "agent-2"},
		},
		{
			what:  "registries: containers are restarted",
			file:  "nodes:\n- role: server\n- role: agent\n  count: 2\n  memory: 1Gi\nregistries: [{host: example.test, skipVerify: true}]\n",
			calls: []string{"StopContainer server-1", "StartContainer server-1", "StopContainer agent-1", "StartContainer agent-1", "StopContainer agent-2", "StartContainer agent-2"},
			kube: []string{"change agent-1: labels map[] without [disk], taints [] without []", "change agent-2: labels map[] without [disk], taints [] without []",
				"vacate server-1", "uncordon server-1", "vacate agent-1", "uncordon agent-1", "vacate agent-2", "uncordon agent-2"},
		},
		{
			what:  "no agents any more",
			file:  "nodes:\n- role: server\nregistries: [{host: example.test, skipVerify: true}]\n",
			calls: []string{"StopContainer agent-2", "RemoveContainer agent-2", "RemoveVolume agent-2", "StopContainer agent-1", "RemoveContainer agent-1", "RemoveVolume agent-1"},
			kube: []string{"change server-1: labels map[] without [], taints [] without [{node-role.kubernetes.io/control-plane  NoSchedule}]",
				"drain agent-2", "delete agent-2", "drain agent-1", "delete agent-1"},
		},
	} {
		t.Run(step.what, func(t *testing.T) {
			before := w.ids(t)
			asked := len(w.kube.said())
			from := len(w.engine.Calls())
			w.apply(t, step.file)
			calls := w.since(from)
			if step.what == "the first agents" {
				slices.Sort(calls) // they come at the same time
			}
			if !slices.Equal(calls, step.calls) {
				t.Errorf("calls\n\t%s\nwant\n\t%s", strings.Join(calls, "\n\t"), strings.Join(step.calls, "\n\t"))
			}
			said := w.kube.said()[asked:]
			if step.what == "the first agents" {
				slices.Sort(said[:2]) // what is left of former ones, also at the same time
			}
			for i := range said {
				said[i] = strings.ReplaceAll(said[i], "skiff-demo-", "")
			}
			if !slices.Equal(said, step.kube) {
				t.Errorf("asked of the API\n\t%s\nwant\n\t%s", strings.Join(said, "\n\t"), strings.Join(step.kube, "\n\t"))
			}
			for name, id := range w.ids(t) {
				if before[name] != "" && (id != before[name]) != slices.Contains(step.remade, name) {
					t.Errorf("the container of %s was made anew, or should have been", name)
				}
			}
		})
	}
	if w.ids(t)["server-1"] != first["server-1"] {
		t.Error("the server is another container")
	}
	if c := w.config(t, "skiff-demo-server-1"); len(c.ExtraArgs) != 0 || len(c.Registries) != 1 || len(c.Taints) != 0 || len(c.NodePodCIDRs) != 1 {
		t.Errorf("configuration %+v", c)
	}
}

// TestApplyLabelsAndSettings changes the object of an agent, and what its servers alone do. Both are noted on the agent, or the
// same file would find differences for ever.
func TestApplyLabelsAndSettings(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n- role: agent\n")
	w.apply(t, "kubernetes: {extraArgs: {apiServer: {v: 2}}}\nnodes:\n- role: server\n- role: agent\n  labels: {disk: fast}\n")
	if c := w.config(t, "skiff-demo-agent-1"); c.Labels["disk"] != "fast" || c.ExtraArgs["kube-apiserver"]["v"] != "2" {
		t.Errorf("configuration %+v", c)
	}
}

// TestApplyServers lets one server become three, and one of them again.
func TestApplyServers(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n")
	w.apply(t, "nodes:\n- role: server\n  count: 3\n")
	want := map[string]bool{"server-1": true, "server-2": true, "server-3": true, "edge-1": true}
	if ids := w.ids(t); len(ids) != len(want) {
		t.Errorf("nodes %v", ids)
	}
	w.apply(t, "kubernetes: {extraArgs: {scheduler: {v: 2}}}\nnodes:\n- role: server\n  count: 3\n  memory: 1Gi\n")
	w.apply(t, "nodes:\n- role: server\n")
	if ids := w.ids(t); len(ids) != 2 || ids["server-1"] == "" || ids["edge-1"] == "" {
		t.Errorf("nodes %v", ids)
	}
	w.apply(t, "nodes:\n- role: server\n  count: 3\n")
	if ids := w.ids(t); len(ids) != len(want) {
		t.Errorf("nodes %v", ids)
	}
}

// TestApplyImage lets all nodes have another image of the same minor, and refuses one of another.
func TestApplyImage(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n- role: agent\n")
	add := func(ref, kubernetes string) {
		labels := nodeLabels()
		labels[nodeapi.LabelKubernetes] = kubernetes
		w.engine.AddImage(cluster.Image{Tags: []string{ref}, Labels: labels, Architecture: "amd64"})
	}
	add("node:next", "v1.37.3")
	add("node:far", "v1.38.0")
	before := w.ids(t)
	w.apply(t, "kubernetes: {image: \"node:next\"}\nnodes:\n- role: server\n- role: agent\n")
	for name, id := range w.ids(t) {
		if s, _ := w.engine.Spec("skiff-demo-" + name); s.Image != "node:next" || s.Labels[nodeapi.LabelKubernetes] != "v1.37.3" || before[name] == id {
			t.Errorf("%s is of %s, %v", name, s.Image, s.Labels)
		}
	}
	// A file that names none leaves it, and nodes that come have it too.
	w.apply(t, "nodes:\n- role: server\n- role: agent\n  count: 2\n")
	if s, _ := w.engine.Spec("skiff-demo-agent-2"); s.Image != "node:next" {
		t.Errorf("the new agent is of %s", s.Image)
	}
	p := w.plan(t, "kubernetes: {image: \"node:far\"}\nnodes:\n- role: server\n- role: agent\n  count: 2\n")
	wantFault(t, p.Refusal(), fault.Invalid, "v1.38", "skiff delete demo")
	_, err := w.Apply(t.Context(), p, cluster.CreateOptions{})
	wantFault(t, err, fault.Invalid)
}

// TestApplyRestores lets a node fail with what the file says: it gets back what it had, and no other is touched.
func TestApplyRestores(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n- role: agent\n")
	w.engine.OnExec(func(ctx context.Context, p *dockertest.Process, spec cluster.ExecSpec) (int, error) {
		c, err := fakenode.Config(p)
		if err == nil && spec.Cmd[1] == "restart" && c.ExtraArgs["kubelet"]["max-pods"] == "many" {
			for i := range 4 {
				p.Emit(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &nodeapi.ComponentStatus{Name: "kubelet", State: nodeapi.StateFailed, Restarts: i,
					LastError: "invalid argument"}})
			}
			return 0, nil
		}
		return fakenode.Exec(ctx, p, spec)
	})
	const bad = "kubernetes: {extraArgs: {kubelet: {max-pods: many}}}\nnodes:\n- role: server\n- role: agent\n"
	_, err := w.Apply(t.Context(), w.plan(t, bad), cluster.CreateOptions{Wait: time.Minute})
	wantFault(t, err, fault.NodeFailed, "skiff-demo-server-1", "as it was", "Correct the file")
	var f *fault.Error
	if !errors.As(err, &f) || !strings.Contains(strings.Join(f.Details, "\n"), "invalid argument") {
		t.Errorf("details %q", f.Details)
	}
	for _, node := range []string{"server-1", "agent-1"} {
		if c := w.config(t, "skiff-demo-"+node); len(c.ExtraArgs) != 0 {
			t.Errorf("%s is told %v", node, c.ExtraArgs)
		}
	}
	if !slices.Contains(w.events.states(), "restore/skiff-demo-server-1 done") {
		t.Errorf("told: %q", w.events.states())
	}
	w.apply(t, "nodes:\n- role: server\n- role: agent\n")

	// A container that cannot be started, too.
	w.engine.TakePort(18080)
	_, err = w.Apply(t.Context(), w.plan(t, "nodes:\n- role: server\n- role: agent\n  ports: [{hostPort: 18080, nodePort: 30080}]\n"), cluster.CreateOptions{Wait: time.Minute})
	wantFault(t, err, fault.PortInUse, "skiff-demo-agent-1", "as it was")
	if s, _ := w.engine.Spec("skiff-demo-agent-1"); len(s.Ports) != 0 {
		t.Errorf("ports %v", s.Ports)
	}
	w.apply(t, "nodes:\n- role: server\n- role: agent\n")
}

// TestApplyGoesOn interrupts an application after each of its calls that change something: applied again, it comes to
// its end, and no node is lost.
func TestApplyGoesOn(t *testing.T) {
	const before = "nodes:\n- role: server\n- role: agent\n  count: 2\n"
	const after = "kubernetes: {extraArgs: {kubelet: {v: 2}}}\nnodes:\n- role: server\n- role: agent\n  count: 3\n  memory: 1Gi\n  labels: {a: b}\n"
	for _, method := range []string{"StopContainer", "RemoveContainer", "CreateContainer", "StartContainer", "CopyTo", "Attach", "Exec"} {
		var hit atomic.Bool
		hit.Store(true)
		for nth := 1; hit.Load(); nth++ {
			t.Run(fmt.Sprint(method, nth), func(t *testing.T) {
				w := changing(t, before)
				p := w.plan(t, after)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				hit.Store(false)
				w.engine.After(method, w.engine.Count(method)+nth, func(context.Context) error {
					hit.Store(true)
					cancel(&fault.Error{Code: fault.Canceled, Summary: "Ctrl-C"})
					return nil
				})
				if _, err := w.Apply(ctx, p, cluster.CreateOptions{Wait: time.Minute}); err != nil && fault.CodeOf(err) != fault.Canceled {
					t.Error(describe(err))
				}
				w.apply(t, after)
				if ids := w.ids(t); len(ids) != 4 {
					t.Errorf("nodes %v", ids)
				}
			})
		}
	}
}

// TestApplyRefuses refuses clusters that cannot be changed now, and a plan that is not true any more.
func TestApplyRefuses(t *testing.T) {
	const file = "nodes:\n- role: server\n- role: agent\n"
	w := changing(t, file)
	p := w.plan(t, "nodes:\n- role: server\n")
	if err := w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{}); err != nil {
		t.Fatal(describe(err))
	}
	_, err := w.Apply(t.Context(), p, cluster.CreateOptions{})
	wantFault(t, err, fault.Conflict, "has changed")

	for _, do := range []struct {
		what string
		f    func(context.Context, string) error
		hint string
	}{{"paused", w.Pause, "skiff resume demo"}, {"stopped", w.Stop, "skiff start demo"}} {
		if err := do.f(t.Context(), "demo"); err != nil {
			t.Fatal(describe(err))
		}
		_, err := w.PlanApply(t.Context(), load(t, fileHead+file))
		wantFault(t, err, fault.NotReady, do.what, do.hint)
		if do.what == "paused" {
			if err := w.Resume(t.Context(), "demo"); err != nil {
				t.Fatal(describe(err))
			}
		}
	}
}

// TestApplyStarts starts a node that does not run, with what the file says.
func TestApplyStarts(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n- role: agent\n")
	if err := w.StopNode(t.Context(), "demo", "agent-1"); err != nil {
		t.Fatal(describe(err))
	}
	server := w.ids(t)["server-1"]
	from := len(w.engine.Calls())
	w.apply(t, "nodes:\n- role: server\n- role: agent\n  labels: {a: b}\n")
	if calls := w.since(from); !slices.Equal(calls, []string{"StopContainer agent-1", "StartContainer agent-1"}) {
		t.Errorf("calls %q", calls)
	}
	if w.ids(t)["server-1"] != server {
		t.Error("the server is another container")
	}
}

// TestApplyComparesEverything fails for a field that was added and that nobody has decided about: diff.go has to say what
// it takes to change it in a running cluster.
func TestApplyComparesEverything(t *testing.T) {
	for _, tc := range []struct {
		of   any
		want string
	}{
		{cluster.Spec{}, "Name Groups Ephemeral APIAddress APIPort ImageRef Networks Settings"},
		{cluster.Networks{}, "PodCIDRs ServiceCIDRs Subnets"},
		{nodeapi.Settings{}, "NodeFailure FeatureGates RuntimeConfig ExtraArgs Registries ContainerdPatches"},
		{cluster.Group{}, "Role Count Labels Taints CPUMillis MemoryBytes Binds Ports"},
		{nodeapi.NodeFailure{}, "NotReadyAfter EvictAfter"},
	} {
		var fields []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(tc.of)) {
			fields = append(fields, f.Name)
		}
		if got := strings.Join(fields, " "); got != tc.want {
			t.Errorf("%T has %s; compared are %s", tc.of, got, tc.want)
		}
	}
}

// TestApplyKeepsUnknown keeps what a newer Skiff has told a node.
func TestApplyKeepsUnknown(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n")
	const node = "skiff-demo-server-1"
	content, err := w.engine.ReadFile(node, nodeapi.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(content), "{", `{"future": {"a": 1},`, 1)
	if err := w.engine.WriteFile(node, nodeapi.ConfigPath, []byte(changed)); err != nil {
		t.Fatal(err)
	}
	w.apply(t, "nodes:\n- role: server\n  labels: {a: b}\n")
	content, err = w.engine.ReadFile(node, nodeapi.ConfigPath)
	if err != nil || !strings.Contains(string(content), `"future"`) {
		t.Errorf("%s\n%v", content, err)
	}
}

// TestApplyFailsAtAPI leaves the former labels where a second attempt finds them.
func TestApplyFailsAtAPI(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n")
	w.kube.on = func(context.Context, string) error { return errors.New("the API is away") }
	const file = "nodes:\n- role: server\n  labels: {a: b}\n"
	if _, err := w.Apply(t.Context(), w.plan(t, file), cluster.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "the API is away") {
		t.Errorf("%v", err)
	}
	w.kube.on = nil
	w.apply(t, file)
	if got := w.events.states(event.KindComponent, event.KindCheck); !slices.Contains(got, "apply/object/skiff-demo-server-1 done") {
		t.Errorf("told: %q", got)
	}
}

// TestApplyPastDeadServer takes two of three servers away, of which one does not run.
func TestApplyPastDeadServer(t *testing.T) {
	for _, dead := range []string{"server-1", "server-2", "server-3"} {
		w := changing(t, "nodes:\n- role: server\n  count: 3\n")
		w.engine.Kill("skiff-demo-"+dead, 1)
		w.apply(t, "nodes:\n- role: server\n")
		if ids := w.ids(t); len(ids) != 2 || ids[dead] != "" {
			t.Errorf("nodes %v", ids)
		}
	}
}

// TestApplyKeepsMajority does not restart a server while another one's datastore does not work.
func TestApplyKeepsMajority(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n  count: 3\n")
	broken := true
	w.engine.OnExec(func(ctx context.Context, p *dockertest.Process, spec cluster.ExecSpec) (int, error) {
		if broken && p.Name == "skiff-demo-server-3" && spec.Cmd[1] == "status" {
			fmt.Fprint(spec.Stdout, `{"components": [{"name": "etcd", "state": "unhealthy"}]}`)
			return 0, nil
		}
		return fakenode.Exec(ctx, p, spec)
	})
	const file = "nodes:\n- role: server\n  count: 3\n  memory: 1Gi\n"
	before := w.changes()
	_, err := w.Apply(t.Context(), w.plan(t, file), cluster.CreateOptions{})
	wantFault(t, err, fault.NotReady, "skiff-demo-server-1 is not restarted", "skiff-demo-server-3 does not work", "skiff status demo")
	if w.changes() != before || len(w.kube.said()) > 0 {
		t.Errorf("something was changed: %q", w.kube.said())
	}
	broken = false
	w.apply(t, file)

	// Of two servers neither is expendable, and both are restarted.
	w.mustRemove(t, "server-3")
	w.apply(t, "kubernetes: {ephemeral: true}\nnodes:\n- role: server\n  count: 3\n  memory: 1Gi\n")
}

// TestTaintsSuitTheAgents lets pods come to the server of a file whose agents a flag has taken away.
func TestTaintsSuitTheAgents(t *testing.T) {
	for agents, tainted := range map[int]bool{0: false, 2: true} {
		w := newWorld(t)
		s := load(t, fileHead+"nodes:\n- role: server\n- role: agent\n")
		s.Groups[1].Count = agents
		w.mustCreateSpec(t, s)
		if got := w.config(t, demoNode).Taints; len(got) > 0 != tainted {
			t.Errorf("with %d agents the server has the taints %v", agents, got)
		}
	}
}

// TestCordonOfTheUser stays: neither a restart nor a removal that fails lets new pods come.
func TestCordonOfTheUser(t *testing.T) {
	w := changing(t, "nodes:\n- role: server\n- role: agent\n  count: 2\n")
	w.kube.cordoned = map[string]bool{"skiff-demo-agent-1": true}
	w.apply(t, "nodes:\n- role: server\n- role: agent\n  count: 2\n  memory: 1Gi\n")
	w.kube.on = func(_ context.Context, call string) error {
		return map[string]error{"drain skiff-demo-agent-1": errors.New("its pods stay")}[call]
	}
	if err := w.RemoveNode(t.Context(), "demo", "agent-1", cluster.RemoveOptions{}); err == nil {
		t.Error("it was removed")
	}
	said := w.kube.said()
	if slices.Contains(said, "uncordon skiff-demo-agent-1") || !slices.Contains(said, "uncordon skiff-demo-agent-2") {
		t.Errorf("the API was told %q", said)
	}
}
