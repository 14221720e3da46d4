package component

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
)

// dnsNodes keeps questions from servers that are not there: for endpoints of pods a controller does that, but those of
// kube-dns are nodes. Every server does it for all, because the one that is gone cannot.
type dnsNodes struct {
	client kubernetes.Interface
	last   map[string]bool
}

// followDNSNodes keeps the endpoints of kube-dns as their nodes are, until ctx ends.
func followDNSNodes(ctx context.Context, client kubernetes.Interface) error {
	d := &dnsNodes{client: client}
	return followNodes(ctx, client, func(nodes []*corev1.Node) error {
		if err := d.sync(ctx, nodes); err != nil {
			Logger(NameDNS).Error(err, "Endpoints of kube-dns are not as their nodes are") // the next change is another attempt
		}
		return nil
	}, make(chan struct{}))
}

// sync makes each endpoint of kube-dns as ready as its node, and removes those of nodes that do not exist any more.
func (d *dnsNodes) sync(ctx context.Context, nodes []*corev1.Node) error {
	ready := map[string]bool{}
	for _, n := range nodes {
		if _, server := n.Labels[controlPlaneLabel]; server {
			ready[n.Name] = isReady(n)
		}
	}
	if maps.Equal(ready, d.last) {
		return nil
	}
	slices := d.client.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem)
	list, err := slices.List(ctx, metav1.ListOptions{LabelSelector: labels.Set{
		discoveryv1.LabelServiceName: dnsServiceName, discoveryv1.LabelManagedBy: managedBy,
	}.String()})
	if err != nil {
		return fmt.Errorf("list the endpoints of kube-dns: %w", err)
	}
	var failed error
	for i := range list.Items {
		slice := &list.Items[i]
		if len(slice.Endpoints) != 1 || slice.Endpoints[0].NodeName == nil {
			continue
		}
		endpoint := &slice.Endpoints[0]
		is, exists := ready[*endpoint.NodeName]
		switch {
		case !exists:
			err = slices.Delete(ctx, slice.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &slice.ResourceVersion}})
		case endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready != is:
			endpoint.Conditions.Ready, endpoint.Conditions.Serving = &is, &is
			_, err = slices.Update(ctx, slice, metav1.UpdateOptions{})
		default:
			continue
		}
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) { // another server was faster
			failed = errors.Join(failed, err)
		}
	}
	failed = errors.Join(failed, changeDNSEndpoints(ctx, d.client, func([]corev1.EndpointAddress) []corev1.EndpointAddress {
		return addressesOf(nodes, ready)
	}))
	if failed == nil {
		d.last = ready
	}
	return failed
}

func isReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
