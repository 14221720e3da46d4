package kubernetes

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// followNode follows this node's object.
func (c *contract) followNode(ctx context.Context, client kubernetes.Interface) {
	follow(ctx, client, "nodes", "", c.node.Node, &corev1.Node{}, func(o *corev1.Node) {
		c.set(nodeapi.ConditionNode, nodeNotReady(o))
	})
}

// nodeNotReady says why a node is not Ready, "" if it is.
func nodeNotReady(node *corev1.Node) string {
	if node == nil {
		return "the kubelet has not registered the node yet"
	}
	for _, cond := range node.Status.Conditions {
		if cond.Type != corev1.NodeReady {
			continue
		}
		if cond.Status != corev1.ConditionTrue {
			return cond.Message
		}
		for _, taint := range node.Spec.Taints {
			if taint.Key == corev1.TaintNodeNotReady {
				return "the node controller has not taken the not-ready taint away yet"
			}
		}
		return ""
	}
	return "the kubelet has not reported the node's status yet"
}
