package kubernetes

import (
	"maps"
	"slices"
	"testing"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// TestClauses reports each clause when it changes, with the time since it is met or not, and tells once that all are met.
func TestClauses(t *testing.T) {
	var told []nodeapi.Condition
	c := newContract(&component.Node{Config: nodeapi.Config{Role: nodeapi.RoleAgent}}, func(is nodeapi.Condition) { told = append(told, is) })
	met := func() bool {
		select {
		case <-c.met:
			return true
		default:
			return false
		}
	}
	if len(told) != len(nodeapi.RemoteConditions(nodeapi.RoleAgent)) || slices.ContainsFunc(told, func(is nodeapi.Condition) bool { return is.Met }) || met() {
		t.Fatalf("at the start: %+v, met %v", told, met())
	}
	began := told[0].Since
	for _, step := range []struct {
		name, missing string
		told, met     bool
	}{
		{nodeapi.ConditionNode, "no network", true, false},
		{nodeapi.ConditionNode, "no network", false, false}, // the same again is no news
		{nodeapi.ConditionNode, "", true, false},
		{nodeapi.ConditionPods, "", true, false},
		{nodeapi.ConditionDNS, "", true, true},
		{nodeapi.ConditionDNS, "", false, true},
		{nodeapi.ConditionDNS, "no answer", true, true}, // it was met once: that does not change
		{nodeapi.ConditionDNS, "", true, true},
	} {
		told = nil
		c.set(step.name, step.missing)
		if (len(told) == 1) != step.told || met() != step.met {
			t.Fatalf("%+v: told %+v, met %v", step, told, met())
		}
		if step.told && (told[0].Name != step.name || told[0].Message != step.missing || told[0].Met != (step.missing == "")) {
			t.Errorf("%+v: told %+v", step, told[0])
		}
		if since := c.last[step.name].Since; step.missing == "no network" && !since.Equal(began) {
			t.Errorf("%+v: another reason does not begin a new time: %v, not %v", step, since, began)
		}
	}
}

// TestClausesWithoutAPI: what the API said of a node is from before while the API is not reached.
func TestClausesWithoutAPI(t *testing.T) {
	told := map[string]string{}
	c := newContract(&component.Node{Config: nodeapi.Config{Role: nodeapi.RoleServer}}, func(is nodeapi.Condition) {
		told[is.Name] = is.Message
		if is.Met != (is.Message == "") {
			t.Errorf("told %+v", is)
		}
	})
	for _, name := range nodeapi.RemoteConditions(nodeapi.RoleServer) {
		c.set(name, "")
	}
	c.set(nodeapi.ConditionNode, "no network")
	is := func(state nodeapi.State, want map[string]string) {
		t.Helper()
		c.Component(nodeapi.ComponentStatus{Name: component.NameAPIServer, State: state})
		if !maps.Equal(told, want) {
			t.Errorf("the API server is %s: told %q, want %q", state, told, want)
		}
	}
	known := map[string]string{nodeapi.ConditionNode: "no network", nodeapi.ConditionPods: "", nodeapi.ConditionDNS: "", nodeapi.ConditionServiceAccount: ""}
	unknown := maps.Clone(known)
	unknown[nodeapi.ConditionPods] = "not known as long as kube-apiserver is unhealthy"
	unknown[nodeapi.ConditionServiceAccount] = unknown[nodeapi.ConditionPods]
	is(nodeapi.StateReady, known)
	is(nodeapi.StateUnhealthy, unknown)
	is(nodeapi.StateReady, known)
}

// TestAwaited is ready when all of its components were, however often each says so.
func TestAwaited(t *testing.T) {
	a := awaiting("coredns", "kube-proxy")
	if a.missed() != "coredns, kube-proxy" {
		t.Errorf("it waits for %s", a.missed())
	}
	ready := func() bool {
		select {
		case <-a.ready:
			return true
		default:
			return false
		}
	}
	for _, step := range []struct {
		name  string
		state nodeapi.State
		want  bool
	}{
		{"coredns", nodeapi.StateStarting, false},
		{"coredns", nodeapi.StateReady, false},
		{"coredns", nodeapi.StateReady, false},
		{"kubelet", nodeapi.StateReady, false}, // another's business
		{"kube-proxy", nodeapi.StateReady, true},
		{"kube-proxy", nodeapi.StateStarting, true},
		{"kube-proxy", nodeapi.StateReady, true},
	} {
		a.see(nodeapi.ComponentStatus{Name: step.name, State: step.state})
		if ready() != step.want {
			t.Fatalf("%+v: ready %v", step, ready())
		}
	}
}
