package component

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

const (
	dnsServiceName = "kube-dns"
	managedBy      = "skiff.dev"
)

// publishDNS makes the kube-dns Service look as it does everywhere, with this node's CoreDNS as an
// endpoint. The Service has no selector, because there is no pod behind it.
func publishDNS(ctx context.Context, client kubernetes.Interface, n *Node) error {
	if err := publishDNSService(ctx, client, n); err != nil {
		return fmt.Errorf("publish Service kube-system/kube-dns: %w", err)
	}
	for _, slice := range dnsEndpointSlices(n) {
		slices := client.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem)
		_, err := slices.Create(ctx, slice, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			_, err = slices.Update(ctx, slice, metav1.UpdateOptions{})
		}
		if err != nil {
			return fmt.Errorf("publish the endpoint of kube-dns: %w", err)
		}
	}
	err := changeDNSEndpoints(ctx, client, func(addresses []corev1.EndpointAddress) []corev1.EndpointAddress { return withAddress(addresses, n) })
	if err != nil {
		return fmt.Errorf("publish the endpoint of kube-dns: %w", err)
	}
	return nil
}

// publishDNSService makes the Service, unless it is there. It is looked for before and after: when another server was
// faster, creating it is refused because its address is taken, and not because it exists.
func publishDNSService(ctx context.Context, client kubernetes.Interface, n *Node) error {
	services := client.CoreV1().Services(metav1.NamespaceSystem)
	_, err := services.Get(ctx, dnsServiceName, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	if _, err = services.Create(ctx, dnsService(n), metav1.CreateOptions{}); err == nil {
		return nil
	}
	if _, getErr := services.Get(ctx, dnsServiceName, metav1.GetOptions{}); getErr == nil {
		return nil
	}
	return err
}

func dnsService(n *Node) *corev1.Service {
	var ips []string
	var families []corev1.IPFamily
	for _, ip := range n.DNSServiceIPs {
		ips = append(ips, ip.String())
		families = append(families, family(ip.Is4()))
	}
	policy := corev1.IPFamilyPolicySingleStack
	if len(ips) > 1 {
		policy = corev1.IPFamilyPolicyRequireDualStack
	}
	port := func(name string, protocol corev1.Protocol, number, target int32) corev1.ServicePort {
		return corev1.ServicePort{Name: name, Protocol: protocol, Port: number, TargetPort: intstr.FromInt32(target)}
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: dnsServiceName, Namespace: metav1.NamespaceSystem,
			Labels: map[string]string{
				"k8s-app": dnsServiceName, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS",
			},
			Annotations: map[string]string{"prometheus.io/port": fmt.Sprint(dnsMetricsPort), "prometheus.io/scrape": "true"},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: ips[0], ClusterIPs: ips,
			IPFamilies: families, IPFamilyPolicy: &policy,
			Ports: []corev1.ServicePort{
				port("dns", corev1.ProtocolUDP, 53, nodeapi.ClusterDNSPort),
				port("dns-tcp", corev1.ProtocolTCP, 53, nodeapi.ClusterDNSPort),
				port("metrics", corev1.ProtocolTCP, dnsMetricsPort, dnsMetricsPort),
			},
		},
	}
}

func family(is4 bool) corev1.IPFamily {
	if is4 {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

// dnsEndpointSlices are this node's endpoints of kube-dns, one slice per address family.
func dnsEndpointSlices(n *Node) []*discoveryv1.EndpointSlice {
	port := func(name string, protocol corev1.Protocol, number int32) discoveryv1.EndpointPort {
		return discoveryv1.EndpointPort{Name: &name, Protocol: &protocol, Port: &number}
	}
	ready := true
	var slices []*discoveryv1.EndpointSlice
	for _, ip := range n.IPs {
		f := family(ip.Is4())
		addressType := discoveryv1.AddressTypeIPv4
		if f == corev1.IPv6Protocol {
			addressType = discoveryv1.AddressTypeIPv6
		}
		slices = append(slices, &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Name: dnsServiceName + "-" + n.Node + "-" + strings.ToLower(string(addressType)), Namespace: metav1.NamespaceSystem,
				Labels: map[string]string{
					discoveryv1.LabelServiceName: dnsServiceName, discoveryv1.LabelManagedBy: managedBy, "k8s-app": dnsServiceName,
				},
			},
			AddressType: addressType,
			Endpoints: []discoveryv1.Endpoint{{
				Addresses:  []string{ip.String()},
				Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &ready},
				NodeName:   &n.Node,
			}},
			Ports: []discoveryv1.EndpointPort{
				port("dns", corev1.ProtocolUDP, nodeapi.ClusterDNSPort),
				port("dns-tcp", corev1.ProtocolTCP, nodeapi.ClusterDNSPort),
				port("metrics", corev1.ProtocolTCP, dnsMetricsPort),
			},
		})
	}
	return slices
}
