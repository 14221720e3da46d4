package component

import (
	"cmp"
	"context"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// changeDNSEndpoints changes the addresses in the Endpoints object of kube-dns, which is what `kubectl get endpoints`
// shows; all else goes by the EndpointSlices. No controller makes it, because the Service has no selector, and none may
// make slices of it, because they are there. (The API server's own proxy leads to pods only, whatever is here.)
func changeDNSEndpoints(ctx context.Context, client kubernetes.Interface, change func([]corev1.EndpointAddress) []corev1.EndpointAddress) error {
	endpoints := client.CoreV1().Endpoints(metav1.NamespaceSystem)
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		there, err := endpoints.Get(ctx, dnsServiceName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			made := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{
				Name: dnsServiceName, Namespace: metav1.NamespaceSystem,
				Labels: map[string]string{"k8s-app": dnsServiceName, discoveryv1.LabelSkipMirror: "true"},
			}}
			made.Subsets = dnsSubsets(change(nil))
			_, err = endpoints.Create(ctx, made, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) { // another server was faster
				return apierrors.NewConflict(corev1.Resource("endpoints"), dnsServiceName, err)
			}
			return err
		}
		if err != nil {
			return err
		}
		var addresses []corev1.EndpointAddress
		for _, s := range there.Subsets {
			addresses = append(addresses, s.Addresses...)
		}
		subsets := dnsSubsets(change(slices.Clone(addresses)))
		if reflect.DeepEqual(subsets, there.Subsets) {
			return nil
		}
		there.Subsets = subsets
		_, err = endpoints.Update(ctx, there, metav1.UpdateOptions{})
		return err
	})
}

func dnsSubsets(addresses []corev1.EndpointAddress) []corev1.EndpointSubset {
	if len(addresses) == 0 {
		return nil
	}
	return []corev1.EndpointSubset{{
		Addresses: addresses,
		Ports: []corev1.EndpointPort{
			{Name: "dns", Port: nodeapi.ClusterDNSPort, Protocol: corev1.ProtocolUDP},
			{Name: "dns-tcp", Port: nodeapi.ClusterDNSPort, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", Port: dnsMetricsPort, Protocol: corev1.ProtocolTCP},
		},
	}}
}

// withAddress adds a node's address, in the place of the one that it had.
func withAddress(addresses []corev1.EndpointAddress, n *Node) []corev1.EndpointAddress {
	addresses = slices.DeleteFunc(addresses, func(a corev1.EndpointAddress) bool { return a.NodeName != nil && *a.NodeName == n.Node })
	return append(addresses, corev1.EndpointAddress{IP: n.IP().String(), NodeName: &n.Node})
}

// addressesOf are the addresses of those nodes that are ready, by name.
func addressesOf(nodes []*corev1.Node, ready map[string]bool) []corev1.EndpointAddress {
	var addresses []corev1.EndpointAddress
	for _, n := range nodes {
		if !ready[n.Name] {
			continue
		}
		for _, a := range n.Status.Addresses {
			if a.Type == corev1.NodeInternalIP {
				addresses = append(addresses, corev1.EndpointAddress{IP: a.Address, NodeName: &n.Name})
				break
			}
		}
	}
	slices.SortFunc(addresses, func(a, b corev1.EndpointAddress) int { return cmp.Compare(*a.NodeName, *b.NodeName) })
	return addresses
}
