package component

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	kubeletapis "k8s.io/kubelet/pkg/apis"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Registration makes this node's object with what was decided before the node was made: its pod range, its address,
// its labels and taints, and the label of its role, which a kubelet may not give itself (NodeRestriction). The kubelet
// finds the object and adds the rest. kube-proxy, which looks for the address once a second, finds it at its first look.
// api is the component that the API server is reached by; registered is closed when the object is there.
func Registration(n *Node, api string, registered chan struct{}) supervise.Component {
	return supervise.Component{
		Name:      NameRegistration,
		DependsOn: []string{api},
		Runner: supervise.Func(func(ctx context.Context) error {
			client, err := NewClient(n)
			if err != nil {
				return err
			}
			err = untilReached(ctx, func() error { return register(ctx, client, nodeObject(n)) })
			if err != nil {
				return fmt.Errorf("register node %s: %w", n.Node, err)
			}
			Logger(NameRegistration).Info("Registered the node", "node", n.Node, "addresses", n.IPs, "podCIDRs", n.NodePodCIDRs)
			close(registered)
			<-ctx.Done()
			return nil
		}),
		Ready:   awaitClosed(registered, "the API server to take the node's object"),
		Restart: once,
	}
}

// controlPlaneLabel is kubeadm's, which tools and the conformance tests know servers by.
const controlPlaneLabel = "node-role.kubernetes.io/control-plane"

func nodeObject(n *Node) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: n.Node, Labels: map[string]string{corev1.LabelHostname: n.Node},
	}}
	if n.Role == nodeapi.RoleServer {
		node.Labels[controlPlaneLabel] = ""
	}
	for name, value := range n.Labels {
		if n.Role == nodeapi.RoleServer || !forbidden(name) { // a server registers with an administrator's rights
			node.Labels[name] = value
		}
	}
	for _, t := range n.Taints {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	for _, r := range n.NodePodCIDRs {
		node.Spec.PodCIDRs = append(node.Spec.PodCIDRs, r.String())
	}
	node.Spec.PodCIDR = node.Spec.PodCIDRs[0]
	for _, ip := range n.IPs {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip.String()})
	}
	node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: n.Node})
	return node
}

// forbidden is true for a label that a kubelet may not give its node (NodeRestriction): skiff does, when the node is there.
func forbidden(label string) bool {
	return nodeapi.IsReservedLabel(label) && !kubeletapis.IsKubeletLabel(label)
}

// register creates a node's object. One that is there already, after a restart, keeps what others gave it. One with another
// pod range is that of a former node of the same name: the range of an object cannot be changed, and a kubelet may not
// delete its node's.
func register(ctx context.Context, client kubernetes.Interface, node *corev1.Node) error {
	nodes := client.CoreV1().Nodes()
	_, err := nodes.Create(ctx, node, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	there, err := nodes.Get(ctx, node.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if got, want := there.Spec.PodCIDRs, node.Spec.PodCIDRs; !slices.Equal(got, want) {
		return fmt.Errorf("the cluster knows a former node of this name, whose pods have %q and not %q: remove it with 'kubectl delete node %s'", got, want, node.Name)
	}
	if slices.Equal(there.Status.Addresses, node.Status.Addresses) {
		return nil
	}
	there.Status.Addresses = node.Status.Addresses
	_, err = nodes.UpdateStatus(ctx, there, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return nil // the kubelet was faster
	}
	return err
}
