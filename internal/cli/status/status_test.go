package status

import (
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// TestPrintErrors: what a component that is ready waited for at its start is not told, and all else below the table, which
// stays narrow.
func TestPrintErrors(t *testing.T) {
	component := func(name string, state nodeapi.State, restarts int) nodeapi.ComponentStatus {
		return nodeapi.ComponentStatus{Name: name, State: state, Restarts: restarts, LastError: name + " has\nlost its way"}
	}
	report := &nodeapi.Status{Components: []nodeapi.ComponentStatus{
		component("etcd", nodeapi.StateReady, 0), component("coredns", nodeapi.StateReady, 2), component("kubelet", nodeapi.StateUnhealthy, 0),
	}}
	s := &cluster.Status{Name: "demo", State: cluster.StateRunning, Nodes: []cluster.NodeStatus{{Node: cluster.Node{Name: "n"}, Report: report}}}
	var out strings.Builder
	if err := write(&Options{Deps: &kit.Deps{Streams: kit.Streams{Out: &out}}}, s, time.Now()); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if !strings.HasPrefix(got, "Cluster demo: running, not ready\n") {
		t.Errorf("it begins with %q", strings.SplitN(got, "\n", 2)[0])
	}
	if strings.Contains(got, "etcd has") {
		t.Errorf("an error of a start that went well is told:\n%s", got)
	}
	if !strings.HasSuffix(got, "\n  coredns: coredns has lost its way\n  kubelet: kubelet has lost its way\n") {
		t.Errorf("errors are not told below the table:\n%s", got)
	}
}
