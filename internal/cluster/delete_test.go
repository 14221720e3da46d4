package cluster_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

const demoNode = "skiff-demo-server-1"

func TestDelete(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	w.mustCreate(t, "other")
	w.events.events = nil
	if err := w.Delete(t.Context(), "demo"); err != nil {
		t.Fatal(describe(err))
	}
	if got, want := w.engine.Objects(), []string{"container skiff-other-server-1", "network skiff-other", "volume skiff-other-server-1"}; !slices.Equal(got, want) {
		t.Errorf("objects %q, want %q", got, want)
	}
	told := w.events.states()
	for _, want := range []string{"delete/node/" + demoNode + " done", "delete/network/skiff-demo done", "delete/volume/" + demoNode + " done"} {
		if !slices.Contains(told, want) {
			t.Errorf("%q is not among %q", want, told)
		}
	}
	if w.engine.Count("StopContainer") != 0 {
		t.Error("it was asked to stop, which takes long, instead of killed")
	}
	wantFault(t, w.Delete(t.Context(), "demo"), fault.NotFound, "demo", "There is: other.")
}

// TestDeleteRest deletes what was left by a creation or deletion that did not finish.
func TestDeleteRest(t *testing.T) {
	for what, remove := range map[string]func(context.Context, *world) error{
		"stopped":      func(ctx context.Context, w *world) error { return w.engine.StopContainer(ctx, demoNode, 0) },
		"no container": func(ctx context.Context, w *world) error { return w.engine.RemoveContainer(ctx, demoNode) },
		"only the network": func(ctx context.Context, w *world) error {
			return errors.Join(w.engine.RemoveContainer(ctx, demoNode), w.engine.RemoveVolume(ctx, demoNode))
		},
		"only the volume": func(ctx context.Context, w *world) error {
			return errors.Join(w.engine.RemoveContainer(ctx, demoNode), w.engine.RemoveNetwork(ctx, "skiff-demo"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreate(t, "demo")
			if err := remove(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if err := w.Delete(t.Context(), "demo"); err != nil {
				t.Error(describe(err))
			}
			w.nothingLeft(t)
		})
	}
}

// TestTwoDelete lets two skiffs delete one cluster: both succeed, or find nothing.
func TestTwoDelete(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	for _, method := range []string{"RemoveContainer", "RemoveNetwork", "RemoveVolume"} {
		w.engine.Before(method, 1, func(ctx context.Context) error {
			err := w.another().Delete(ctx, "demo")
			if fault.CodeOf(err) == fault.NotFound {
				return nil
			}
			return err
		})
	}
	if err := w.Delete(t.Context(), "demo"); err != nil {
		t.Error(describe(err))
	}
	w.nothingLeft(t)
}

// TestDeleteResisted removes what can be removed, says what cannot, and finishes when asked again.
func TestDeleteResisted(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	why := errors.New("busy")
	w.engine.Fail("RemoveNetwork", 1, why)
	if err := w.Delete(t.Context(), "demo"); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
	if got, want := w.engine.Objects(), []string{"network skiff-demo"}; !slices.Equal(got, want) {
		t.Errorf("objects %q, want %q", got, want)
	}
	if told := w.events.states(); !slices.Contains(told, "delete/network/skiff-demo failed") {
		t.Errorf("told %q", told)
	}
	if err := w.Delete(t.Context(), "demo"); err != nil {
		t.Error(describe(err))
	}
	w.nothingLeft(t)
}

func TestDeleteIsCancelled(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	ctx, cancel := context.WithCancel(t.Context())
	w.engine.Before("RemoveContainer", 1, func(context.Context) error { cancel(); return nil })
	wantFault(t, w.Delete(ctx, "demo"), fault.Canceled, "skiff delete demo")
	if err := w.Delete(t.Context(), "demo"); err != nil {
		t.Error(describe(err))
	}
	w.nothingLeft(t)
}

// TestStates are a cluster's states by those of its containers.
func TestStates(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	check := func(want cluster.State) {
		t.Helper()
		c, err := w.Get(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		if c.State != want {
			t.Errorf("state %s, want %s", c.State, want)
		}
	}
	check(cluster.StateRunning)
	endpoint := w.endpoint(t)
	w.engine.Kill(demoNode, 137)
	check(cluster.StateStopped)
	if got := w.endpoint(t); got != endpoint {
		t.Errorf("a stopped cluster is at %s, and was at %s", got, endpoint)
	}
	if err := w.engine.StartContainer(t.Context(), demoNode); err != nil {
		t.Fatal(err)
	}
	check(cluster.StateRunning)
	if got := w.endpoint(t); got != endpoint {
		t.Errorf("after a restart it is at %s, and was at %s", got, endpoint)
	}

	// A second node, as later versions make them, is understood already.
	agent := cluster.ContainerSpec{Name: "skiff-demo-agent-1", Image: nodeImageRef, Labels: map[string]string{"dev.skiff.cluster": "demo", "dev.skiff.role": "agent"}}
	if err := w.engine.CreateVolume(t.Context(), cluster.VolumeSpec{Name: agent.Name, Labels: agent.Labels}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.CreateContainer(t.Context(), agent); err != nil {
		t.Fatal(err)
	}
	check(cluster.StateIncomplete)
	w.engine.OnStart(nil)
	if err := w.engine.StartContainer(t.Context(), agent.Name); err != nil {
		t.Fatal(err)
	}
	check(cluster.StateRunning)
	w.engine.Kill(agent.Name, 1)
	check(cluster.StatePartial)
	c, err := w.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Nodes) != 2 || c.Nodes[0].Name != demoNode {
		t.Errorf("nodes %+v", c.Nodes)
	}
	if err := w.Delete(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft(t)
}

func (w *world) endpoint(t *testing.T) string {
	t.Helper()
	c, err := w.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	return c.Endpoint
}

func TestList(t *testing.T) {
	w := newWorld(t)
	list, err := w.List(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	for _, name := range []string{"b", "a"} {
		w.mustCreate(t, name)
	}
	if list, err = w.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Name != "a" || list[1].Name != "b" {
		t.Errorf("list %+v", list)
	}
	_, err = w.Get(t.Context(), "c")
	wantFault(t, err, fault.NotFound, "There is: a, b.", "skiff create c")
	why := errors.New("no connection")
	w.engine.Fail("Volumes", 0, why)
	if _, err := w.List(t.Context()); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}
