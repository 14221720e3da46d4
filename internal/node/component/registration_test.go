package component

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// TestRegister registers a node for the first time, again after a restart, and again after it moved; what others
// wrote into its object stays.
func TestRegister(t *testing.T) {
	client := fake.NewClientset()
	want := nodeObject(testServer())
	read := func() *corev1.Node {
		t.Helper()
		node, err := client.CoreV1().Nodes().Get(t.Context(), want.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return node
	}
	if err := register(t.Context(), client, want.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	node := read()
	if node.Spec.PodCIDR != "10.244.0.0/24" || node.Status.Addresses[0].Address != "172.30.0.2" {
		t.Errorf("%+v", node)
	}
	node.Labels["of-the-user"] = "yes"
	if _, err := client.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	moved := want.DeepCopy()
	moved.Status.Addresses[0].Address = "172.30.0.9"
	for _, n := range []*corev1.Node{want.DeepCopy(), moved} {
		if err := register(t.Context(), client, n); err != nil {
			t.Fatal(err)
		}
	}
	node = read()
	if node.Labels["of-the-user"] != "yes" || node.Status.Addresses[0].Address != "172.30.0.9" {
		t.Errorf("after the move: %+v", node)
	}
	another := want.DeepCopy()
	another.Spec.PodCIDRs = []string{"10.244.7.0/24"}
	err := register(t.Context(), client, another)
	if err == nil || !strings.Contains(err.Error(), "kubectl delete node "+want.Name) {
		t.Errorf("a node with another pod range: %v", err)
	}
	if node := read(); node.Spec.PodCIDR != "10.244.0.0/24" {
		t.Errorf("after it: %+v", node)
	}
}

// TestNodeObject has what each role is known by, and what the user asked for.
func TestNodeObject(t *testing.T) {
	server := testServer()
	server.Labels = map[string]string{"disk": "ssd", corev1.LabelHostname: "mine"}
	server.Taints = []nodeapi.Taint{{Key: controlPlaneLabel, Effect: "NoSchedule"}, {Key: "k", Value: "v", Effect: "NoExecute"}}
	server.NodePodCIDRs = append(server.NodePodCIDRs, netip.MustParsePrefix("fd00:10:244::/64"))
	server.IPs = append(server.IPs, netip.MustParseAddr("fd00::2"))
	got := nodeObject(server)
	if _, ok := got.Labels[controlPlaneLabel]; !ok || got.Labels["disk"] != "ssd" {
		t.Errorf("labels %v", got.Labels)
	}
	if want := []corev1.Taint{{Key: controlPlaneLabel, Effect: corev1.TaintEffectNoSchedule}, {Key: "k", Value: "v", Effect: corev1.TaintEffectNoExecute}}; !slices.Equal(got.Spec.Taints, want) {
		t.Errorf("taints %v", got.Spec.Taints)
	}
	if got.Spec.PodCIDR != "10.244.0.0/24" || !slices.Equal(got.Spec.PodCIDRs, []string{"10.244.0.0/24", "fd00:10:244::/64"}) {
		t.Errorf("pods %s, %v", got.Spec.PodCIDR, got.Spec.PodCIDRs)
	}
	want := []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.30.0.2"}, {Type: corev1.NodeInternalIP, Address: "fd00::2"}, {Type: corev1.NodeHostName, Address: server.Node}}
	if !slices.Equal(got.Status.Addresses, want) {
		t.Errorf("addresses %v", got.Status.Addresses)
	}

	agent := testServer()
	agent.Role = nodeapi.RoleAgent
	got = nodeObject(agent)
	if _, ok := got.Labels[controlPlaneLabel]; ok || len(got.Spec.Taints) > 0 || len(got.Labels) != 1 {
		t.Errorf("an agent is %v, %v", got.Labels, got.Spec.Taints)
	}
}

// TestForbiddenLabels: a label that NodeRestriction refuses would refuse the whole node.
func TestForbiddenLabels(t *testing.T) {
	labels := map[string]string{"disk": "ssd", "node-role.kubernetes.io/worker": "", "node-restriction.kubernetes.io/zone": "a", "topology.kubernetes.io/zone": "a", "node.kubernetes.io/kind": "x"}
	agent := testServer()
	agent.Role, agent.Labels = nodeapi.RoleAgent, labels
	got := slices.Sorted(maps.Keys(nodeObject(agent).Labels))
	if want := []string{"disk", corev1.LabelHostname, "node.kubernetes.io/kind", "topology.kubernetes.io/zone"}; !slices.Equal(got, want) {
		t.Errorf("an agent registers with %q, want %q", got, want)
	}
	server := testServer()
	server.Labels = labels
	if got := nodeObject(server).Labels; len(got) != len(labels)+2 {
		t.Errorf("a server registers with %q", got)
	}
}
