package kubernetes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestNodeNotReady: a node is ready when its kubelet says so and pods may be scheduled there.
func TestNodeNotReady(t *testing.T) {
	node := func(taint string, conditions ...corev1.NodeCondition) *corev1.Node {
		n := &corev1.Node{Status: corev1.NodeStatus{Conditions: conditions}}
		if taint != "" {
			n.Spec.Taints = []corev1.Taint{{Key: taint, Effect: corev1.TaintEffectNoSchedule}}
		}
		return n
	}
	pressure := corev1.NodeCondition{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse}
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue}
	for _, tc := range []struct {
		what string
		node *corev1.Node
		want string
	}{
		{"no node", nil, "the kubelet has not registered the node yet"},
		{"no status", node(""), "the kubelet has not reported the node's status yet"},
		{"another condition only", node("", pressure), "the kubelet has not reported the node's status yet"},
		{"ready", node("", pressure, ready), ""},
		{"ready and tainted", node(corev1.TaintNodeNotReady, pressure, ready), "the node controller has not taken the not-ready taint away yet"},
		{"ready and cordoned", node(corev1.TaintNodeUnschedulable, ready), ""},
		{"not ready", node("", corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Message: "no network"}), "no network"},
		{"lost", node("", corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Message: "kubelet stopped posting"}), "kubelet stopped posting"},
	} {
		if got := nodeNotReady(tc.node); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}
