package component

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
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
}
