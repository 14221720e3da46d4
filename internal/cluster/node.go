package cluster

import (
	"fmt"
	"maps"
	"net/netip"
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
	name    string
	role    nodeapi.Role
	address netip.Addr
	pods    netip.Prefix // its part of the pod network
	labels  map[string]string
}

// podRange is a node's part of the pod network: the /24 with the node's index, which is how the controller manager
// divides it too.
func podRange(index int) netip.Prefix {
	a := podNetwork.Addr().As4()
	a[2] += byte(index)
	return netip.PrefixFrom(netip.AddrFrom4(a), 24)
}

// volume is the node's memory.
func (n plannedNode) volume() VolumeSpec {
	return VolumeSpec{Name: n.name, Labels: maps.Clone(n.labels)}
}

// container is the node itself.
func (p *Plan) container(n plannedNode) ContainerSpec {
	spec := ContainerSpec{
		Name:     n.name,
		Hostname: n.name,
		Image:    p.Image,
		Labels:   maps.Clone(n.labels),
		Network:  p.network.Name,
		Address:  n.address,
		Volumes:  map[string]string{n.name: nodeapi.StateDir},
		// Sockets and derived files must not outlive a start.
		Tmpfs: map[string]string{"/run": "rw,nosuid,nodev,mode=755", "/tmp": "rw,nosuid,nodev,mode=1777"},
		// A node mounts and unshares, which Docker's own profiles forbid. Pods get their runtime's profile.
		SecurityOpts: []string{"seccomp=unconfined", "apparmor=unconfined"},
		// Mounting /proc and /sys for pods needs whole ones in the node.
		UnmaskedPaths:   true,
		PrivateCgroupNS: true,
		Restart:         "unless-stopped",
		StopSignal:      "SIGTERM",
		StopTimeout:     stopGrace,
	}
	for _, c := range capabilities {
		spec.Capabilities = append(spec.Capabilities, c.name)
	}
	spec.Labels[nodeapi.LabelKubernetes] = p.Kubernetes
	if p.spec.Ephemeral {
		spec.Labels[nodeapi.LabelEphemeral] = "true"
	}
	if n.name == p.entry {
		spec.Ports = []Port{{HostIP: p.spec.APIAddress, HostPort: p.spec.APIPort, ContainerPort: nodeapi.APIServerPort, Protocol: "tcp"}}
		spec.Labels[nodeapi.LabelAPIAddress] = p.spec.APIAddress
		spec.Labels[nodeapi.LabelAPIPort] = strconv.Itoa(int(p.spec.APIPort))
	}
	return spec
}

// config is what the node is told of itself.
func (p *Plan) config(n plannedNode) nodeapi.Config {
	c := nodeapi.Config{
		APIVersion: nodeapi.ConfigVersion, Cluster: p.Cluster, Node: n.name, Role: n.role,
		PodCIDRs: []netip.Prefix{podNetwork}, NodePodCIDRs: []netip.Prefix{n.pods}, ServiceCIDRs: []netip.Prefix{serviceNetwork},
		DNSServiceIPs: []netip.Addr{dnsService}, ClusterDomain: clusterDomain, Ephemeral: p.spec.Ephemeral,
	}
	for _, other := range p.nodes {
		if other.role == nodeapi.RoleServer {
			c.Servers = append(c.Servers, other.name)
		}
	}
	return c
}
