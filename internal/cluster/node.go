package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// capabilities of a node, each with its reason. A node has no others: in particular not SYS_RESOURCE, which some
// hosts do not have to give, and not SYS_MODULE, SYS_TIME, SYS_BOOT or SYS_RAWIO, which reach beyond it.
var capabilities = []struct{ name, reason string }{
	// For what runs the pods.
	{"SYS_ADMIN", "mount pods' file systems, make their namespaces and control groups, filter their devices"},
	{"NET_ADMIN", "pods' interfaces and routes, and the rules of kube-proxy and of network policies"},
	{"SYS_PTRACE", "enter the namespaces of pods' processes that belong to other users: exec, port-forward"},

	// What every pod gets unless it says otherwise: a node cannot give away what it does not have.
	{"AUDIT_WRITE", "default of pods"},
	{"CHOWN", "default of pods, and unpacking images"},
	{"DAC_OVERRIDE", "default of pods, and unpacking images"},
	{"FOWNER", "default of pods, and unpacking images"},
	{"FSETID", "default of pods, and unpacking images"},
	{"KILL", "default of pods, and ending pods' processes that belong to other users"},
	{"MKNOD", "default of pods, and their /dev"},
	{"NET_BIND_SERVICE", "default of pods, and port 53 of the node's resolver"},
	{"NET_RAW", "default of pods: ping"},
	{"SETFCAP", "default of pods, and unpacking images"},
	{"SETGID", "default of pods: run as another group"},
	{"SETPCAP", "default of pods: drop capabilities"},
	{"SETUID", "default of pods: run as another user"},
	{"SYS_CHROOT", "default of pods, and entering mount namespaces"},
}

// stopGrace is what a node has to end its pods and close its datastore.
const stopGrace = 20 * time.Second

// networkName is the name of a cluster's network, and what the names of its nodes begin with.
func networkName(cluster string) string { return "skiff-" + cluster }

// nodeName is the name of the container, the host and the Kubernetes node.
func nodeName(cluster string, role nodeapi.Role, number int) string {
	return fmt.Sprintf("%s-%s-%d", networkName(cluster), role, number)
}

// plannedNode is a node to be made.
type plannedNode struct {
	name string
	role nodeapi.Role
	// index is the node's number in the cluster, from 0 on, which decides its part of the pod networks.
	index             int
	address, address6 netip.Addr // address6 only if the cluster has IPv6
	labels            map[string]string
	group             Group
	join              bool // its datastore is a new member of the others'
}

// label is a group as it is kept on each of its nodes, "" if it says nothing.
func (g Group) label() string {
	g.Role, g.Count = "", 0
	text, err := json.Marshal(g)
	if err != nil || string(text) == `{"role":"","count":0}` {
		return "" // no type here can fail to encode
	}
	return string(text)
}

// groupOf is what the user asked for a node that is there.
func groupOf(c Container) Group {
	g := Group{}
	_ = json.Unmarshal([]byte(c.Labels[nodeapi.LabelGroup]), &g) // an older Skiff's nodes have none
	g.Role, g.Count = nodeapi.Role(c.Labels[nodeapi.LabelRole]), 1
	return g
}

// addresses are the node's own, on the cluster's network.
func (n plannedNode) addresses() []netip.Addr {
	if n.address6.IsValid() {
		return []netip.Addr{n.address, n.address6}
	}
	return []netip.Addr{n.address}
}

// controlPlaneTaint is kubeadm's.
var controlPlaneTaint = nodeapi.Taint{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}

// taints keeps pods off servers if there are agents for them.
func (n plannedNode) taints(agents int) []nodeapi.Taint {
	if n.group.Taints == nil && n.role == nodeapi.RoleServer && agents > 0 {
		return []nodeapi.Taint{controlPlaneTaint}
	}
	return n.group.Taints
}

// volume is the node's memory.
func (n plannedNode) volume() VolumeSpec {
	return VolumeSpec{Name: n.name, Labels: maps.Clone(n.labels)}
}

// container is the node itself.
func (p *Plan) container(n plannedNode) ContainerSpec {
	spec := ContainerSpec{
		Name:        n.name,
		Hostname:    n.name,
		Image:       p.Image,
		Labels:      maps.Clone(n.labels),
		Network:     p.network.Name,
		Address:     n.address,
		Address6:    n.address6,
		Tmpfs:       map[string]string{"/run": "rw,nosuid,nodev,mode=755", "/tmp": "rw,nosuid,nodev,mode=1777"}, // nothing there must outlive a start
		Restart:     "unless-stopped",
		StopSignal:  "SIGTERM",
		StopTimeout: stopGrace,
	}
	if n.role != nodeapi.RoleEdge {
		p.addMachine(&spec, n)
	}
	spec.Labels[nodeapi.LabelKubernetes] = p.Kubernetes
	if group := n.group.label(); group != "" {
		spec.Labels[nodeapi.LabelGroup] = group
	}
	if p.spec.Ephemeral {
		spec.Labels[nodeapi.LabelEphemeral] = "true"
	}
	if n.name == p.entry {
		spec.Ports = append(spec.Ports, Port{HostIP: p.spec.APIAddress, HostPort: p.spec.APIPort, ContainerPort: nodeapi.APIServerPort, Protocol: "tcp"})
		spec.Labels[nodeapi.LabelAPIAddress] = p.spec.APIAddress
		spec.Labels[nodeapi.LabelAPIPort] = strconv.Itoa(int(p.spec.APIPort))
	}
	return spec
}

// addMachine gives a container what it takes to be the machine that pods run on. An edge does without.
func (p *Plan) addMachine(spec *ContainerSpec, n plannedNode) {
	spec.Volumes = map[string]string{n.name: nodeapi.StateDir}
	// A node mounts and unshares, which Docker's own profiles forbid. Pods get their runtime's profile.
	spec.SecurityOpts = []string{"seccomp=unconfined", "apparmor=unconfined"}
	// Mounting /proc and /sys for pods needs whole ones in the node.
	spec.UnmaskedPaths = true
	spec.PrivateCgroupNS = true
	for _, c := range capabilities {
		spec.Capabilities = append(spec.Capabilities, c.name)
	}
	spec.CPUMillis, spec.MemoryBytes = n.group.CPUMillis, n.group.MemoryBytes
	spec.Binds, spec.Ports = n.group.Binds, slices.Clone(n.group.Ports)
	if n.role == nodeapi.RoleServer {
		spec.Aliases = []string{nodeapi.ServersAlias}
	}
}

// config is what the node is told of itself.
func (p *Plan) config(n plannedNode) nodeapi.Config {
	c := nodeapi.Config{APIVersion: nodeapi.ConfigVersion, Cluster: p.Cluster, Node: n.name, Role: n.role, ClusterDomain: clusterDomain}
	c.Servers = p.serversFor(n)
	if n.role == nodeapi.RoleEdge {
		return c
	}
	networks := p.spec.Networks
	c.PodCIDRs, c.NodePodCIDRs, c.ServiceCIDRs = networks.PodCIDRs, networks.podRange(n.index), networks.ServiceCIDRs
	c.DNSServiceIPs, c.Ephemeral, c.Join = networks.dnsServices(), p.spec.Ephemeral, n.join
	c.Labels, c.Taints = n.group.Labels, n.taints(p.spec.Count(nodeapi.RoleAgent))
	c.CPUMillis, c.MemoryBytes = n.group.CPUMillis, n.group.MemoryBytes
	c.Settings = p.spec.Settings
	return c
}

// serversFor are the names of the servers that there are when a node starts: all that are planned, but for a server that
// joins others only those up to itself, because the datastore takes one new member at a time.
func (p *Plan) serversFor(of plannedNode) []string {
	servers := slices.Clone(p.others)
	for _, n := range p.nodes {
		if n.role == nodeapi.RoleServer {
			servers = append(servers, n.name)
		}
		if of.join && n.name == of.name {
			break
		}
	}
	return servers
}
