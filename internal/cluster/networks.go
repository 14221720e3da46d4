package cluster

import (
	"fmt"
	"net/netip"
	"slices"
)

const clusterDomain = "cluster.local"

// Networks inside a cluster, unless the user wants others; kind has the same.
var (
	PodNetwork      = netip.MustParsePrefix("10.244.0.0/16")
	PodNetwork6     = netip.MustParsePrefix("fd00:10:244::/56")
	ServiceNetwork  = netip.MustParsePrefix("10.96.0.0/16")
	ServiceNetwork6 = netip.MustParsePrefix("fd00:10:96::/112")
)

// What one node takes of the pod network: the controller manager's default sizes.
const (
	nodePodBits4 = 24
	nodePodBits6 = 64
)

// dnsIndex is the place of the kube-dns Service in the Service network, kubeadm's.
const dnsIndex = 10

// complete fills in the networks that were left out. Pods and Services have the IP families of the pod networks.
func (n Networks) complete() Networks {
	if len(n.PodCIDRs) == 0 {
		for _, s := range n.ServiceCIDRs {
			n.PodCIDRs = append(n.PodCIDRs, choose(s.Addr().Is4(), PodNetwork, PodNetwork6))
		}
	}
	if len(n.PodCIDRs) == 0 {
		n.PodCIDRs = []netip.Prefix{PodNetwork}
	}
	if len(n.ServiceCIDRs) == 0 {
		for _, p := range n.PodCIDRs {
			n.ServiceCIDRs = append(n.ServiceCIDRs, choose(p.Addr().Is4(), ServiceNetwork, ServiceNetwork6))
		}
	}
	return n
}

// validate refuses networks that cannot be together, or that are too small for a number of nodes.
func (n Networks) validate(nodes int) error {
	if err := n.validateApart(); err != nil {
		return err
	}
	families := func(prefixes []netip.Prefix) (f []bool) {
		for _, p := range prefixes {
			f = append(f, p.Addr().Is4())
		}
		return f
	}
	if !slices.Equal(families(n.PodCIDRs), families(n.ServiceCIDRs)) {
		return invalid("Give both the same IP families, in the same order.", "pods have %v and Services %v", n.PodCIDRs, n.ServiceCIDRs)
	}
	return n.validateRoom(nodes)
}

// validateApart refuses what is not one network of a family, or has addresses in common with another.
func (n Networks) validateApart() error {
	type named struct {
		what   string
		prefix netip.Prefix
	}
	var all []named
	for _, kind := range []struct {
		what     string
		prefixes []netip.Prefix
	}{{"pod network", n.PodCIDRs}, {"Service network", n.ServiceCIDRs}, {"subnet", n.Subnets}} {
		what, prefixes := kind.what, kind.prefixes
		if len(prefixes) > 2 || len(prefixes) == 2 && prefixes[0].Addr().Is4() == prefixes[1].Addr().Is4() {
			return invalid("Give at most one IPv4 and one IPv6 network.", "there are too many %ss: %v", what, prefixes)
		}
		for _, p := range prefixes {
			if p != p.Masked() {
				return invalid(fmt.Sprintf("Did you mean %s?", p.Masked()), "the %s %s is the address of something in a network, not a network", what, p)
			}
			all = append(all, named{what, p})
		}
	}
	slices.SortFunc(all, func(a, b named) int { return a.prefix.Addr().Compare(b.prefix.Addr()) })
	for i := range all {
		for _, other := range all[i+1:] {
			if all[i].prefix.Overlaps(other.prefix) {
				return invalid("Give them networks that have no address in common.", "the %s %s overlaps the %s %s", all[i].what, all[i].prefix, other.what, other.prefix)
			}
		}
	}
	return nil
}

// validateRoom refuses networks that are too small for a number of nodes.
func (n Networks) validateRoom(nodes int) error {
	for _, p := range n.PodCIDRs {
		if room := podRanges(p); room < nodes {
			return invalid("Give a larger network.", "the pod network %s has room for %d nodes, and there are %d", p, room, nodes)
		}
	}
	for i, dns := range n.dnsServices() {
		if p := n.ServiceCIDRs[i]; !p.Contains(dns) {
			return invalid("Give a larger network.", "the Service network %s is too small: cluster DNS has its tenth address", p)
		}
	}
	for _, p := range n.Subnets {
		if bits := p.Addr().BitLen() - p.Bits(); bits < 16 && 1<<bits < SubnetSize(nodes) {
			return invalid("Give a larger network.", "the subnet %s has room for %d nodes, and there are %d", p, max(0, 1<<bits-SubnetSize(0)), nodes)
		}
	}
	return nil
}

// SubnetSize is how many addresses a subnet needs for so many nodes: there are also the network's own, the bridge's, the
// edge's and the broadcast.
func SubnetSize(nodes int) int { return nodes + 4 }

// podRanges is how many nodes a pod network has room for.
func podRanges(p netip.Prefix) int {
	bits := choose(p.Addr().Is4(), nodePodBits4, nodePodBits6) - p.Bits()
	if bits < 0 {
		return 0
	}
	return 1 << min(bits, 16)
}

// podRange is a node's part of each pod network, by the node's index.
func (n Networks) podRange(index int) []netip.Prefix {
	var ranges []netip.Prefix
	for _, p := range n.PodCIDRs {
		ranges = append(ranges, nthRange(p, index))
	}
	return ranges
}

func nthRange(p netip.Prefix, index int) netip.Prefix {
	if p.Addr().Is4() {
		a := p.Addr().As4()
		a[1] += byte(index >> 8)
		a[2] += byte(index) // the network ends at a multiple of its size, so nothing is carried
		return netip.PrefixFrom(netip.AddrFrom4(a), nodePodBits4)
	}
	a := p.Addr().As16()
	a[6] += byte(index >> 8)
	a[7] += byte(index)
	return netip.PrefixFrom(netip.AddrFrom16(a), nodePodBits6)
}

// dnsServices are the addresses of the Service kube-dns.
func (n Networks) dnsServices() []netip.Addr {
	var list []netip.Addr
	for _, p := range n.ServiceCIDRs {
		a := p.Addr()
		for range dnsIndex {
			a = a.Next()
		}
		list = append(list, a)
	}
	return list
}

// subnet returns the subnet of one IP family, the zero value if there is none.
func (n Networks) subnet(is4 bool) netip.Prefix {
	for _, p := range n.Subnets {
		if p.Addr().Is4() == is4 {
			return p
		}
	}
	return netip.Prefix{}
}

// has6 is true if pods have IPv6 addresses.
func (n Networks) has6() bool {
	return slices.ContainsFunc(n.PodCIDRs, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// firstNode is the number of the first node in a subnet: the bridge has 1.
const firstNode = 2

// edgeNumber is the number of the edge in the subnets: 254, or the last of a small one.
func (n Networks) edgeNumber() int {
	number := 254
	for _, p := range n.Subnets {
		if bits := p.Addr().BitLen() - p.Bits(); bits < 8 {
			number = min(number, 1<<bits-2)
		}
	}
	return number
}

// dynamic is the part of a subnet that containers of others, put on the cluster's network, get their addresses of: its third
// quarter, which is above the nodes and below the edge. A subnet that nodes fill so far has none, and they may meet.
func (n Networks) dynamic(is4 bool, nodes int) netip.Prefix {
	subnet := n.subnet(is4)
	bits := subnet.Addr().BitLen() - subnet.Bits()
	if !subnet.IsValid() || bits < 2 || bits-1 < 16 && firstNode+nodes > 1<<(bits-1) {
		return netip.Prefix{}
	}
	a := subnet.Addr().AsSlice()
	bit := subnet.Bits() // the first one of the host's part
	a[bit/8] |= 0x80 >> (bit % 8)
	third, _ := netip.AddrFromSlice(a)
	return netip.PrefixFrom(third, bit+2)
}

// nth is the address with a number in a subnet: the bridge has 1, the first node 2.
func nth(subnet netip.Prefix, number int) netip.Addr {
	if !subnet.IsValid() {
		return netip.Addr{}
	}
	if subnet.Addr().Is4() {
		a := subnet.Addr().As4()
		a[2] += byte(number >> 8)
		a[3] += byte(number) // a subnet begins at a multiple of its size
		return netip.AddrFrom4(a)
	}
	a := subnet.Addr().As16()
	a[14] += byte(number >> 8)
	a[15] += byte(number)
	return netip.AddrFrom16(a)
}
