package config

import (
	"fmt"
	"net/netip"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// family is a version of IP, with what its networks may be.
type family struct {
	name string
	bits int
	// nodeBits is the prefix length of a node's part of the pod network.
	nodeBits int
	// maxPods and maxServices are the shortest prefixes that Kubernetes' allocators take.
	maxPods, maxServices int
	// minServices is the longest prefix of a service network: cluster DNS has its tenth address.
	minServices int
}

var (
	families = map[bool]family{
		false: {name: "IPv4", bits: 32, nodeBits: 24, maxPods: 8, maxServices: 12, minServices: 27},
		true:  {name: "IPv6", bits: 128, nodeBits: 64, maxPods: 48, maxServices: 108, minServices: 123},
	}
	// unusable are addresses that mean something else everywhere.
	unusable = []struct {
		prefix netip.Prefix
		what   string
	}{
		{netip.MustParsePrefix("0.0.0.0/8"), "this host"}, {netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
		{netip.MustParsePrefix("169.254.0.0/16"), "link-local"}, {netip.MustParsePrefix("224.0.0.0/3"), "multicast and reserved"},
		{netip.MustParsePrefix("::/96"), "loopback and reserved"}, {netip.MustParsePrefix("fe80::/10"), "link-local"},
		{netip.MustParsePrefix("ff00::/8"), "multicast"},
	}
)

func familyOf(p netip.Prefix) family { return families[p.Addr().Is6()] }

// cidr is a network of the file.
type cidr struct {
	netip.Prefix
	at   fieldPath
	what string // "the pod network"
}

func (v *validator) validateNetwork() {
	n, at := &v.Network, fieldPath("network")
	if !oneOf(v, at.field("ipFamily"), n.IPFamily, IPv4, IPv6, Dual) {
		return
	}
	pods := v.cidrs(at.field("podCIDRs"), n.PodCIDRs, "pod network")
	services := v.cidrs(at.field("serviceCIDRs"), n.ServiceCIDRs, "service network")
	subnets := v.cidrs(at.field("subnets"), n.Subnets, "network of the nodes")
	v.complete(at.field("podCIDRs"), pods, len(n.PodCIDRs))
	v.complete(at.field("serviceCIDRs"), services, len(n.ServiceCIDRs))
	if len(pods) > 0 && len(services) > 0 && pods[0].Addr().Is6() != services[0].Addr().Is6() {
		v.refuse(services[0].at, "is %s, and the first of podCIDRs is %s: the primary family comes first in both", familyOf(services[0].Prefix).name, familyOf(pods[0].Prefix).name)
	}
	v.sizes(pods, services, subnets)
	v.overlaps(append(append(pods, services...), subnets...))
}

// cidrs parses networks, and refuses those that are none, or of a family that the cluster does not have.
func (v *validator) cidrs(at fieldPath, texts []string, what string) []cidr {
	var out []cidr
	seen := map[bool]bool{}
	for i, text := range texts {
		p := at.index(i)
		prefix, err := parseCIDR(text)
		if err != nil {
			v.refuse(p, "%s", err)
			continue
		}
		is6 := prefix.Addr().Is6()
		switch f := familyOf(prefix); {
		case v.Network.IPFamily == IPv4 && is6 || v.Network.IPFamily == IPv6 && !is6:
			v.refuse(p, "%s is %s, and ipFamily is %s", text, f.name, v.Network.IPFamily)
			continue
		case seen[is6]:
			v.refuse(p, "%s is a second %s of %s: there is one per family", text, what, f.name)
			continue
		}
		seen[is6] = true
		out = append(out, cidr{prefix, p, what})
	}
	return out
}

func parseCIDR(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return prefix, fmt.Errorf("%q is not a network: write it as 10.244.0.0/16", text)
	}
	if m := prefix.Masked(); m != prefix {
		return prefix, fmt.Errorf("%s has bits beyond its length: write %s", text, m)
	}
	for _, u := range unusable {
		if u.prefix.Overlaps(prefix) {
			return prefix, fmt.Errorf("%s overlaps %s, which is %s", text, u.prefix, u.what)
		}
	}
	return prefix, nil
}

// complete refuses a dual stack that lacks a family. Of given networks, valid are without mistakes.
func (v *validator) complete(at fieldPath, valid []cidr, given int) {
	if v.Network.IPFamily != Dual || len(valid) != given || given == 2 {
		return
	}
	other := families[!valid[0].Addr().Is6()]
	v.refuse(at, "ipFamily is dual, so there are two: the one of %s is missing", other.name)
}

func (v *validator) sizes(pods, services, subnets []cidr) {
	nodes := v.count(RoleServer) + v.count(RoleAgent)
	for _, p := range pods {
		f := familyOf(p.Prefix)
		switch {
		case p.Bits() < f.maxPods:
			v.refuse(p.at, "%s is too large: Kubernetes takes a pod network of /%d at most", p.Prefix, f.maxPods)
		case p.Bits() > f.nodeBits || nodes > 1<<min(f.nodeBits-p.Bits(), 20):
			v.refuse(p.at, "%s is too small for %s: each takes a /%d of the pod network", p.Prefix, plural(nodes, "node"), f.nodeBits)
		}
	}
	for _, s := range services {
		f := familyOf(s.Prefix)
		if s.Bits() < f.maxServices || s.Bits() > f.minServices {
			v.refuse(s.at, "%s is not a size that Kubernetes takes: a service network of %s is /%d to /%d", s.Prefix, f.name, f.maxServices, f.minServices)
		}
	}
	for _, s := range subnets {
		need, f := cluster.SubnetSize(nodes), familyOf(s.Prefix)
		if bits := f.bits - s.Bits(); bits < 20 && need > 1<<bits {
			v.refuse(s.at, "%s is too small for %s: Docker's network needs %d addresses", s.Prefix, plural(nodes, "node"), need)
		}
	}
}

func (v *validator) overlaps(all []cidr) {
	for i, a := range all {
		for _, b := range all[:i] {
			if a.Overlaps(b.Prefix) {
				// Whichever of the two is in the file is what the user can change.
				at := a.at
				if _, inFile := v.places[at]; !inFile {
					at = b.at
				}
				v.refuse(at, "the %s %s and the %s %s overlap", a.what, a.Prefix, b.what, b.Prefix)
			}
		}
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
