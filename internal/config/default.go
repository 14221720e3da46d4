package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// Addresses of the host on which something is published unless a file says otherwise.
const (
	defaultAddress     = "127.0.0.1"
	defaultAddressIPv6 = "::1"
)

// presets are the durations of NodeFailure. Upstream's 40 s have crept up to 50 s in later releases of Kubernetes;
// what everyone knows, and kind and kubeadm long had, is 40 s.
var presets = map[Preset]struct{ notReadyAfter, evictAfter time.Duration }{
	PresetLaptop:   {8 * time.Second, 10 * time.Second},
	PresetUpstream: {40 * time.Second, 5 * time.Minute},
}

// Default returns the cluster that a file without any choice describes: one server.
func Default() *Cluster {
	c := &Cluster{APIVersion: APIVersion, Kind: Kind}
	c.setDefaults()
	return c
}

func (g *NodeGroup) preset() { g.Count = 1 }

// setDefaults fills in what is not said. What is said wrongly stays as it is, for validation to refuse.
func (c *Cluster) setDefaults() {
	setDefault(&c.API.Address, defaultAddress)
	c.Kubernetes.NodeFailure.setDefaults()
	c.Network.setDefaults()
	if len(c.Nodes) == 0 {
		c.Nodes = []NodeGroup{{Role: RoleServer, Count: 1}}
	}
	for i := range c.Nodes { // taints are not said here: what suits depends on how many agents there will be after all
		g := &c.Nodes[i]
		for j := range g.Ports {
			setDefault(&g.Ports[j].HostAddress, c.Network.localhost())
			setDefault(&g.Ports[j].Protocol, string(corev1.ProtocolTCP))
		}
	}
}

func (f *NodeFailure) setDefaults() {
	setDefault(&f.Preset, PresetLaptop)
	preset, known := presets[f.Preset]
	if !known {
		return
	}
	if f.NotReadyAfter == nil {
		f.NotReadyAfter = &Duration{preset.notReadyAfter}
	}
	if f.EvictAfter == nil {
		f.EvictAfter = &Duration{preset.evictAfter}
	}
}

func (n *Network) setDefaults() {
	setDefault(&n.IPFamily, IPv4)
	// What is said of one kind of network decides which family is the primary one.
	ipv6First := slices.ContainsFunc([][]string{n.PodCIDRs, n.ServiceCIDRs}, func(given []string) bool {
		return len(given) > 0 && strings.Contains(given[0], ":")
	})
	networks := func(four, six netip.Prefix) []string {
		ipv4, ipv6 := four.String(), six.String()
		switch n.IPFamily {
		case IPv4:
			return []string{ipv4}
		case IPv6:
			return []string{ipv6}
		case Dual:
			if ipv6First {
				return []string{ipv6, ipv4}
			}
			return []string{ipv4, ipv6}
		}
		return nil
	}
	if len(n.PodCIDRs) == 0 {
		n.PodCIDRs = networks(cluster.PodNetwork, cluster.PodNetwork6)
	}
	if len(n.ServiceCIDRs) == 0 {
		n.ServiceCIDRs = networks(cluster.ServiceNetwork, cluster.ServiceNetwork6)
	}
}

// localhost is the host's own address in a family that pods have: Docker leads connections on to the same family.
func (n *Network) localhost() string {
	if n.IPFamily == IPv6 {
		return defaultAddressIPv6
	}
	return defaultAddress
}

func setDefault[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}
