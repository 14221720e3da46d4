package config

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// ownPaths are what Skiff, and the system in a node, need. Nothing may be mounted there, below, or over them.
var ownPaths = []string{
	nodeapi.StateDir, nodeapi.RunDir, path.Dir(nodeapi.ContainerdSocket), nodeapi.KubeletRootDir, "/var/log",
	path.Dir(nodeapi.SeedPath), nodeapi.CNIBinDir, path.Dir(nodeapi.NodeBinary),
	"/proc", "/sys", "/dev", "/etc/passwd", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
}

// count is the number of nodes of a role.
func (c *Cluster) count(role Role) int {
	n := 0
	for _, g := range c.Nodes {
		if g.Role == role {
			n += g.Count
		}
	}
	return n
}

func (v *validator) validateNodes() {
	names := map[string]bool{}
	for i := range v.Nodes {
		g, p := &v.Nodes[i], groupPath(i)
		if g.Name != "" {
			if len(validation.IsDNS1123Label(g.Name)) > 0 {
				v.refuse(p.field("name"), "%q is not a DNS label: lower-case letters, digits and '-', with a letter or digit at both ends", g.Name)
			}
			if names[g.Name] {
				v.refuse(p.field("name"), "there is a group %q already", g.Name)
			}
			names[g.Name] = true
		}
		if oneOf(v, p.field("role"), g.Role, RoleServer, RoleAgent) {
			v.validateSize(p, g)
		}
		least := 0
		if g.Role == RoleServer {
			least = 1
		}
		switch {
		case g.Count < least:
			v.refuse(p.field("count"), "must be at least %d, not %d", least, g.Count)
		case g.Count > cluster.MaxNodes:
			v.refuse(p.field("count"), "must be at most %d, not %d", cluster.MaxNodes, g.Count)
		}
		v.validateLabels(p.field("labels"), g.Labels)
		v.validateTaints(p.field("taints"), g.Taints)
		v.validateMounts(p.field("mounts"), g.Mounts)
	}
	v.validateCounts()
}

func groupPath(i int) fieldPath { return fieldPath("nodes").index(i) }

// validateCounts looks at the groups together. It points at the last one of servers.
func (v *validator) validateCounts() {
	servers, agents := v.count(RoleServer), v.count(RoleAgent)
	last := fieldPath("nodes")
	for i, g := range v.Nodes {
		if g.Count < 0 || g.Count > cluster.MaxNodes || g.Role != RoleServer && g.Role != RoleAgent {
			return // that is refused already, and what follows from it is no news
		}
		if g.Role == RoleServer {
			last = groupPath(i).field("count")
		}
	}
	const majority = "the datastore works as long as a majority of the servers does"
	switch {
	case servers <= 0 && last == "nodes":
		v.refuse(last, "there is no group of role server, and a cluster needs one")
	case servers > cluster.MaxServers:
		v.refuse(last, "a cluster has 1, 3 or 5 servers, not %d: every write waits for a majority of them, so that more are slower and not safer", servers)
	case servers > 0 && servers%2 == 0:
		v.refuse(last, "a cluster has 1, 3 or 5 servers, not %d: %s, so that %d survive no more failures than %d; use %d", servers, majority, servers, servers-1, servers+1)
	}
	if servers+agents > cluster.MaxNodes {
		v.refuse("nodes", "there are %d nodes, and a cluster has at most %d", servers+agents, cluster.MaxNodes)
	}
}

func (v *validator) validateSize(p fieldPath, g *NodeGroup) {
	atLeast := func(p fieldPath, q Quantity, least resource.Quantity, example string) {
		if q == "" {
			return
		}
		got, err := resource.ParseQuantity(string(q))
		switch {
		case err != nil:
			v.refuse(p, "%q is not a quantity: write it as %s", q, example)
		case got.Cmp(least) < 0:
			v.refuse(p, "%s is too little: a node of role %s needs at least %s", q, g.Role, least.String())
		}
	}
	atLeast(p.field("cpus"), g.CPUs, *resource.NewMilliQuantity(cluster.MinCPUMillis, resource.DecimalSI), "2 or 500m")
	atLeast(p.field("memory"), g.Memory, *resource.NewQuantity(cluster.MinMemoryBytes(nodeapi.Role(g.Role)), resource.BinarySI), "2Gi or 512Mi")
}

func (v *validator) validateLabels(at fieldPath, labels map[string]string) {
	for name, value := range labels {
		p := at.key(name)
		if slices.Contains(cluster.OwnLabels, name) {
			v.refuse(p, "the kubelet sets this label itself")
		}
		v.qualified(p, "label", name, value)
	}
}

// qualified refuses a name or a value that Kubernetes would.
func (v *validator) qualified(p fieldPath, what, name, value string) {
	if errs := validation.IsQualifiedName(name); len(errs) > 0 {
		v.refuse(p, "%q is not the name of a %s: %s", name, what, errs[0])
	}
	if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
		v.refuse(p, "%q is not the value of a %s: %s", value, what, errs[0])
	}
}

func (v *validator) validateTaints(at fieldPath, taints []Taint) {
	seen := map[[2]string]bool{}
	for i, t := range taints {
		p := at.index(i)
		if t.Key == "" {
			v.refuse(p.field("key"), "is missing")
		} else {
			v.qualified(p.field("key"), "taint", t.Key, t.Value)
		}
		effects := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
		oneOf(v, p.field("effect"), corev1.TaintEffect(t.Effect), effects...)
		if id := [2]string{t.Key, t.Effect}; seen[id] {
			v.refuse(p, "there is a taint %s:%s already", t.Key, t.Effect)
		} else {
			seen[id] = true
		}
	}
}

func (v *validator) validateMounts(at fieldPath, mounts []Mount) {
	targets := map[string]bool{}
	for i, m := range mounts {
		p := at.index(i)
		if m.Source == "" {
			v.refuse(p.field("source"), "is missing") // whether it is there, only Docker's host knows
		}
		target := path.Clean(m.Target)
		switch own := ownPath(target); {
		case m.Target == "":
			v.refuse(p.field("target"), "is missing")
			continue
		case !path.IsAbs(target):
			v.refuse(p.field("target"), "%q is not an absolute path", m.Target)
		case target == "/":
			v.refuse(p.field("target"), "is the node's root")
		case own != "":
			v.refuse(p.field("target"), "%q is in the way of %s, which the node itself needs", m.Target, own)
		case targets[target]:
			v.refuse(p.field("target"), "something is mounted on %s already", target)
		}
		targets[target] = true
	}
}

// ownPath returns the path of [ownPaths] that a mount at target would be in the way of, or "".
func ownPath(target string) string {
	for _, own := range ownPaths {
		if strings.HasPrefix(target+"/", own+"/") || strings.HasPrefix(own+"/", target+"/") {
			return own
		}
	}
	return ""
}

// hostPort is a port of Docker's host.
type hostPort struct {
	addr     netip.Addr
	port     int
	protocol string
}

// clash is true if both cannot be published.
func (a hostPort) clash(b hostPort) bool {
	return a.port == b.port && a.protocol == b.protocol &&
		(a.addr == b.addr || a.addr.IsUnspecified() || b.addr.IsUnspecified())
}

// validatePorts looks at the published ports of all groups and of the API.
func (v *validator) validatePorts() {
	taken := map[hostPort]string{}
	if addr, err := parseHostAddress(v.API.Address); err == nil && v.API.Port > 0 {
		taken[hostPort{addr, v.API.Port, string(corev1.ProtocolTCP)}] = "the API (api.port)"
	}
	for i, g := range v.Nodes {
		if len(g.Ports) > 0 && g.Count > 1 {
			v.refuse(groupPath(i).field("ports"), "this group has %d nodes, and a host's port leads to one: put one node into a group of its own", g.Count)
		}
		for j, port := range g.Ports {
			p := groupPath(i).field("ports").index(j)
			v.validatePort(p, port)
			addr, err := parseHostAddress(port.HostAddress)
			if err != nil {
				v.refuse(p.field("hostAddress"), "%s", err)
				continue
			}
			if addr.Is4() && v.Network.IPFamily == IPv6 {
				v.refuse(p.field("hostAddress"), "%s is IPv4, and nothing in this cluster answers to that: use ::1, or :: for all addresses of the host", addr)
			}
			this := hostPort{addr, port.HostPort, port.Protocol}
			for other, by := range taken {
				if this.clash(other) {
					v.refuse(p.field("hostPort"), "port %d (%s) of the host is published already, by %s", port.HostPort, port.Protocol, by)
				}
			}
			taken[this] = string(p)
		}
	}
}

func (v *validator) validatePort(p fieldPath, port Port) {
	for _, n := range []struct {
		field string
		port  int
	}{{"hostPort", port.HostPort}, {"nodePort", port.NodePort}} {
		switch {
		case n.port == 0:
			v.refuse(p.field(n.field), "is missing: it must be from 1 to 65535")
		case n.port < 0 || n.port > 65535:
			v.refuse(p.field(n.field), "must be from 1 to 65535, not %d", n.port)
		}
	}
	oneOf(v, p.field("protocol"), corev1.Protocol(port.Protocol), corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
}
