package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Files before and after a change for which containers are made anew: of a node with a volume, of one with its data, and,
// by another image, of an edge.
const (
	beforeRemake = "nodes:\n- role: server\n  count: 3\n- role: agent\n"
	afterRemake  = "kubernetes: {image: \"node:next\"}\nnodes:\n- role: server\n  count: 3\n- role: agent\n  memory: 1Gi\n"
)

// demoNodes are those of both files.
var demoNodes = []string{demoNode, "skiff-demo-server-2", "skiff-demo-server-3", "skiff-demo-agent-1", demoEdge}

// remaking is a world with a cluster of the first file, each of whose volumes has a mark, and a plan to apply the second.
func remaking(t *testing.T) (*world, *cluster.ApplyPlan) {
	t.Helper()
	w := changing(t, beforeRemake)
	w.mark(t, demoNodes[:4]...)
	labels := nodeLabels()
	labels[nodeapi.LabelKubernetes] = "v1.37.3"
	w.engine.AddImage(cluster.Image{Tags: []string{"node:next"}, Labels: labels, Architecture: "amd64"})
	return w, w.plan(t, afterRemake)
}

const markPath = nodeapi.EtcdDir + "/data"

// mark gives each node something that it must not lose.
func (w *world) mark(t *testing.T, nodes ...string) {
	t.Helper()
	for _, n := range nodes {
		must(t, w.engine.WriteFile(n, markPath, []byte(n)))
	}
}

// marked fails unless nodes have kept what they were given, and have a container each and none beside it.
func (w *world) marked(t *testing.T, nodes ...string) {
	t.Helper()
	for _, n := range nodes {
		if content, err := w.engine.ReadFile(n, markPath); err != nil || string(content) != n {
			t.Errorf("%s has lost its data: %q, %v", n, content, err)
		}
	}
	for _, o := range w.engine.Objects() {
		if strings.HasSuffix(o, ".new") {
			t.Errorf("%s is left", o)
		}
	}
}

// TestFreshContainerGoes has somebody else take the container that is to take a node's place for a leftover, while the
// node's own is stopped: it is not removed, and goes on.
func TestFreshContainerGoes(t *testing.T) {
	w, p := remaking(t)
	w.engine.After("StopContainer", w.engine.Count("StopContainer")+1, func(ctx context.Context) error {
		for _, o := range w.engine.Objects() {
			if _, name, _ := strings.Cut(o, " "); strings.HasSuffix(name, ".new") {
				return w.engine.RemoveContainer(ctx, name)
			}
		}
		return errors.New("nothing takes the node's place")
	})
	before := w.ids(t)
	_, err := w.Apply(t.Context(), p, cluster.CreateOptions{})
	wantFault(t, err, fault.NotFound, "it is again as it was", "was to take the place of")
	if after := w.ids(t); !maps.Equal(after, before) {
		t.Errorf("containers %v, and before %v", after, before)
	}
	w.marked(t, demoNodes[:4]...)
}

// TestApplyFailsAnywhere lets each call of an application fail, before or after it did its work: each node is what it is to
// be or what it was, all run, nothing is lost, and the next application comes to its end.
func TestApplyFailsAnywhere(t *testing.T) {
	injected := errors.New("the cable was cut")
	w, p := remaking(t)
	began := len(w.engine.Calls())
	if _, err := w.Apply(t.Context(), p, cluster.CreateOptions{}); err != nil {
		t.Fatal(describe(err))
	}
	counts := map[string]int{}
	for _, name := range w.engine.Calls()[began:] {
		method, _, _ := strings.Cut(name, " ")
		counts[method]++
		nth := counts[method]
		for when, inject := range map[string]func(e *dockertest.Engine, n int){
			"before": func(e *dockertest.Engine, n int) { e.Fail(method, n, injected) },
			"after":  func(e *dockertest.Engine, n int) { e.After(method, n, func(context.Context) error { return injected }) },
		} {
			t.Run(fmt.Sprintf("%s/%d/%s", method, nth, when), func(t *testing.T) {
				w, p := remaking(t)
				inject(w.engine, w.engine.Count(method)+nth)
				_, err := w.Apply(t.Context(), p, cluster.CreateOptions{})
				if err != nil && !errors.Is(err, injected) {
					t.Errorf("error %s", describe(err))
				}
				if err != nil && strings.Contains(describe(err), "skiff delete") {
					t.Errorf("it says how to lose the data: %s", describe(err))
				}
				w.marked(t, demoNodes[:4]...)
				if c, err := w.Get(t.Context(), "demo"); err != nil || c.State != cluster.StateRunning {
					t.Errorf("%+v, %v", c, err)
				}
				for _, n := range demoNodes {
					s := w.container(t, n)
					remade := s.Image == "node:next"
					if n == demoNodes[3] && remade != (s.MemoryBytes == 1<<30) || remade != (s.Labels[nodeapi.LabelKubernetes] == "v1.37.3") {
						t.Errorf("%s is half and half: %+v", n, s)
					}
				}
				w.answers(t)
				w.apply(t, afterRemake)
			})
		}
	}
}

// kill lets every call from the n-th of a method on fail: nobody calls any more. revive lets somebody else call again.
func (w *world) kill(method string, n int) (revive func()) {
	var dead atomic.Bool
	killed := errors.New("killed")
	w.engine.Before(method, w.engine.Count(method)+n, func(context.Context) error { dead.Store(true); return nil })
	for _, m := range []string{"Info", "Containers", "Networks", "Volumes", "Inspect", "CreateNetwork", "CreateVolume", "CreateContainer", "StartContainer",
		"StopContainer", "RenameContainer", "RemoveContainer", "RemoveNetwork", "RemoveVolume", "CopyTo", "Attach", "Logs", "Exec", "CopyFrom", "Image"} {
		w.engine.Before(m, 0, func(context.Context) error {
			if dead.Load() {
				return killed
			}
			return nil
		})
	}
	return func() { dead.Store(false) }
}

// changingMethods are those after which something is not as it was.
var changingMethods = []string{"CreateVolume", "CreateContainer", "StartContainer", "StopContainer", "RenameContainer", "RemoveContainer", "CopyTo", "Exec"}

// TestApplyIsKilledAnywhere ends an application before each of its calls that change something, without a chance to clean
// up: a start and another application make it whole, and no data is lost.
func TestApplyIsKilledAnywhere(t *testing.T) {
	w, p := remaking(t)
	began := len(w.engine.Calls())
	if _, err := w.Apply(t.Context(), p, cluster.CreateOptions{}); err != nil {
		t.Fatal(describe(err))
	}
	counts := map[string]int{}
	for _, name := range w.engine.Calls()[began:] {
		method, _, _ := strings.Cut(name, " ")
		if !slices.Contains(changingMethods, method) {
			continue
		}
		counts[method]++
		nth := counts[method]
		t.Run(fmt.Sprintf("%s/%d", method, nth), func(t *testing.T) {
			w, p := remaking(t)
			revive := w.kill(method, nth)
			if _, err := w.Apply(t.Context(), p, cluster.CreateOptions{}); err == nil {
				t.Fatal("it was not killed")
			}
			revive()
			if _, err := w.Start(t.Context(), "demo", time.Minute); err != nil {
				t.Fatal(describe(err))
			}
			w.marked(t, demoNodes[:4]...)
			w.answers(t)
			w.apply(t, afterRemake)
			w.marked(t, demoNodes[:4]...)
		})
	}
}

// TestAddIsKilledAnywhere ends an addition in which the first server moves. The server with the data and the place of the
// API are never lost, and nobody is told to give the cluster up.
func TestAddIsKilledAnywhere(t *testing.T) {
	for _, c := range callsOfAdd(t, servers(2)) {
		if !slices.Contains(changingMethods, c.method) {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			w := newWorld(t)
			created := w.mustCreateOf(t, "demo", 1, 1)
			w.mark(t, demoNode)
			revive := w.kill(c.method, c.n)
			if _, err := w.AddNodes(t.Context(), "demo", servers(2), cluster.CreateOptions{}); err == nil {
				t.Fatal("it was not killed")
			}
			revive()
			got, err := w.Get(t.Context(), "demo")
			if err != nil || got.Endpoint != created.Cluster.Endpoint {
				t.Errorf("%+v, %v", got, err)
			}
			_, err = w.Start(t.Context(), "demo", time.Minute)
			for _, half := range []string{"edge-1", "server-2", "server-3"} {
				if err != nil && strings.Contains(describe(err), "node remove skiff-demo-"+half) {
					must(t, w.RemoveNode(t.Context(), "demo", half, cluster.RemoveOptions{Force: strings.Contains(describe(err), "--force")}))
					_, err = w.Start(t.Context(), "demo", time.Minute)
				}
			}
			if err != nil {
				t.Fatal(describe(err))
			}
			w.marked(t, demoNode)
			w.answers(t)
		})
	}
}
