package config

import (
	"cmp"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const kindAPIVersion = "kind.x-k8s.io/v1alpha4"

// Unmapped is something that a file of kind asks for and Skiff does not do.
type Unmapped struct {
	// Path is where it is in the file, as "nodes[0].image".
	Path string `json:"path"`
	// Line is counted from 1.
	Line int `json:"line"`
	// Reason says why it is left out, and what to do instead if there is something; lower case, no full stop.
	Reason string `json:"reason"`
}

// String is the line of a report.
func (u Unmapped) String() string { return fmt.Sprintf("line %d: %s: %s", u.Line, u.Path, u.Reason) }

// kindFile is a Cluster of kind, as far as its own documentation has fields.
type kindFile struct {
	Kind                            string          `json:"kind"`
	APIVersion                      string          `json:"apiVersion"`
	Name                            string          `json:"name"`
	Nodes                           []kindNode      `json:"nodes"`
	Networking                      kindNetworking  `json:"networking"`
	FeatureGates                    map[string]bool `json:"featureGates"`
	RuntimeConfig                   Values          `json:"runtimeConfig"`
	KubeadmConfigPatches            []string        `json:"kubeadmConfigPatches"`
	KubeadmConfigPatchesJSON6902    []kindPatch     `json:"kubeadmConfigPatchesJSON6902"`
	ContainerdConfigPatches         []string        `json:"containerdConfigPatches"`
	ContainerdConfigPatchesJSON6902 []string        `json:"containerdConfigPatchesJSON6902"`
}

type kindNode struct {
	Role                         string            `json:"role"`
	Image                        string            `json:"image"`
	Labels                       map[string]string `json:"labels"`
	ExtraMounts                  []kindMount       `json:"extraMounts"`
	ExtraPortMappings            []kindPort        `json:"extraPortMappings"`
	KubeadmConfigPatches         []string          `json:"kubeadmConfigPatches"`
	KubeadmConfigPatchesJSON6902 []kindPatch       `json:"kubeadmConfigPatchesJSON6902"`
}

type kindMount struct {
	ContainerPath  string `json:"containerPath"`
	HostPath       string `json:"hostPath"`
	ReadOnly       bool   `json:"readOnly"`
	SelinuxRelabel bool   `json:"selinuxRelabel"`
	Propagation    string `json:"propagation"`
}

type kindPort struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	ListenAddress string `json:"listenAddress"`
	Protocol      string `json:"protocol"`
}

type kindNetworking struct {
	IPFamily          string   `json:"ipFamily"`
	APIServerPort     int      `json:"apiServerPort"`
	APIServerAddress  string   `json:"apiServerAddress"`
	PodSubnet         string   `json:"podSubnet"`
	ServiceSubnet     string   `json:"serviceSubnet"`
	DisableDefaultCNI bool     `json:"disableDefaultCNI"`
	KubeProxyMode     string   `json:"kubeProxyMode"`
	DNSSearch         []string `json:"dnsSearch"`
}

type kindPatch struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
	Patch   string `json:"patch"`
}

// importer turns a file of kind into a cluster.
type importer struct {
	from     kindFile
	to       *Cluster
	source   places // of the file
	places   places // of the cluster's fields
	problems *problems
	unmapped []Unmapped
}

// kindCluster decodes a file of kind. Mistakes are in d.problems.
func (d *decoder) kindCluster(root *yaml.Node) (*Cluster, []Unmapped) {
	m := &importer{to: &Cluster{APIVersion: APIVersion, Kind: Kind}, source: d.places, places: places{}, problems: &d.problems}
	d.decode(root, "", reflect.ValueOf(&m.from).Elem())
	if len(d.problems) > 0 {
		return nil, nil
	}
	m.same("", "")
	m.same("metadata.name", "name")
	m.to.Metadata.Name = m.from.Name
	m.kubernetes()
	m.network()
	m.nodes()
	m.kubeadm()
	m.containerd()
	d.places = m.places
	slices.SortFunc(m.unmapped, func(a, b Unmapped) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return m.to, m.unmapped
}

// same notes that a field of the cluster comes from a field of the file.
func (m *importer) same(to, from fieldPath) {
	if at, ok := m.source[from]; ok {
		m.places[to] = at
	}
}

// leave reports a field of the file that has no counterpart.
func (m *importer) leave(from fieldPath, format string, args ...any) {
	m.leaveAt(m.source.of(from), from, format, args...)
}

func (m *importer) leaveAt(at place, from fieldPath, format string, args ...any) {
	m.unmapped = append(m.unmapped, Unmapped{string(from), at.line, fmt.Sprintf(format, args...)})
}

func (m *importer) kubernetes() {
	k := &m.to.Kubernetes
	k.FeatureGates, k.RuntimeConfig = m.from.FeatureGates, m.from.RuntimeConfig
	for name := range m.from.FeatureGates {
		m.same(fieldPath("kubernetes.featureGates").key(name), fieldPath("featureGates").key(name))
	}
	for name := range m.from.RuntimeConfig {
		m.same(fieldPath("kubernetes.runtimeConfig").key(name), fieldPath("runtimeConfig").key(name))
	}
}

func (m *importer) network() {
	from, at := m.from.Networking, fieldPath("networking")
	m.same("network", at)
	m.to.Network.IPFamily = IPFamily(from.IPFamily)
	m.same("network.ipFamily", at.field("ipFamily"))
	m.to.API.Address, m.to.API.Port = from.APIServerAddress, from.APIServerPort
	m.same("api.address", at.field("apiServerAddress"))
	m.same("api.port", at.field("apiServerPort"))
	if m.to.API.Port == -1 { // kind: let Docker choose, anew at every start
		m.to.API.Port = 0
		m.leave(at.field("apiServerPort"), "the port is derived from the cluster's name, and stays the same")
	}
	m.to.Network.PodCIDRs = m.subnets("network.podCIDRs", at.field("podSubnet"), from.PodSubnet)
	m.to.Network.ServiceCIDRs = m.subnets("network.serviceCIDRs", at.field("serviceSubnet"), from.ServiceSubnet)
	if from.DisableDefaultCNI {
		m.leave(at.field("disableDefaultCNI"), "pods keep Skiff's own network, with routes between nodes")
	}
	if mode := from.KubeProxyMode; mode != "" && mode != "nftables" {
		m.leave(at.field("kubeProxyMode"), "kube-proxy works in mode nftables, not %s", mode)
	}
	if from.DNSSearch != nil {
		m.leave(at.field("dnsSearch"), "nodes have the search domains that Docker gives them")
	}
}

// subnets splits a list of networks.
func (m *importer) subnets(to, from fieldPath, list string) []string {
	if list == "" {
		return nil
	}
	networks := strings.Split(list, ",")
	for i := range networks {
		networks[i] = strings.TrimSpace(networks[i])
		m.same(to.index(i), from)
	}
	return networks
}

var kindRoles = map[string]Role{"": RoleServer, "control-plane": RoleServer, "worker": RoleAgent}

func (m *importer) nodes() {
	m.same("nodes", "nodes")
	for i := range m.from.Nodes {
		m.node(i, &m.from.Nodes[i])
	}
	if len(m.from.Nodes) == 0 {
		m.to.Nodes = []NodeGroup{{Role: RoleServer, Count: 1}}
	}
}

// node makes a group of one node of each node, so that numbers in messages are those of the file.
func (m *importer) node(i int, from *kindNode) {
	at := groupPath(i)
	m.same(at, at)
	for _, same := range []string{"role", "labels"} {
		m.same(at.field(same), at.field(same))
	}
	role, known := kindRoles[from.Role]
	if !known {
		m.problems.add(m.source.of(at.field("role")), "must be control-plane or worker, not %q", from.Role)
	}
	g := NodeGroup{Role: role, Count: 1, Labels: from.Labels}
	for name := range from.Labels {
		m.same(at.field("labels").key(name), at.field("labels").key(name))
	}
	if from.Image != "" {
		m.leave(at.field("image"), "%s", kindImage(from.Image))
	}
	for j, mount := range from.ExtraMounts {
		if mapped, ok := m.mount(at.field("extraMounts").index(j), mount); ok {
			p, q := at.field("mounts").index(len(g.Mounts)), at.field("extraMounts").index(j)
			m.same(p, q)
			m.same(p.field("source"), q.field("hostPath"))
			m.same(p.field("target"), q.field("containerPath"))
			g.Mounts = append(g.Mounts, mapped)
		}
	}
	for j, port := range from.ExtraPortMappings {
		q := at.field("extraPortMappings").index(j)
		if port.HostPort <= 0 {
			m.leave(q, "Docker would choose a port of the host, anew at every start: give hostPort")
			continue
		}
		p := at.field("ports").index(len(g.Ports))
		m.same(p, q)
		m.same(p.field("hostAddress"), q.field("listenAddress"))
		m.same(p.field("hostPort"), q.field("hostPort"))
		m.same(p.field("nodePort"), q.field("containerPort"))
		m.same(p.field("protocol"), q.field("protocol"))
		listen := port.ListenAddress
		if listen == "" {
			listen = "0.0.0.0"
			if m.from.Networking.IPFamily == string(IPv6) {
				listen = "::"
			}
		}
		g.Ports = append(g.Ports, Port{
			HostAddress: listen, HostPort: port.HostPort, NodePort: port.ContainerPort, Protocol: strings.ToUpper(port.Protocol),
		})
	}
	m.to.Nodes = append(m.to.Nodes, g)
}

var kindVersion = regexp.MustCompile(`:(v\d+\.\d+\.\d+)`)

// kindImage says why an image of kind is of no use: what is in it boots with systemd and kubeadm.
func kindImage(image string) string {
	reason := "images of kind do not run in Skiff, whose own node image is used; kubernetes.image of a cluster file names another"
	if v := kindVersion.FindStringSubmatch(image); v != nil {
		reason += fmt.Sprintf(" (Kubernetes %s was asked for)", v[1])
	}
	return reason
}

func (m *importer) mount(at fieldPath, from kindMount) (Mount, bool) {
	target := path.Clean(from.ContainerPath)
	switch own := ownPath(target); {
	case strings.HasPrefix(target+"/", "/etc/containerd/"):
		m.leave(at, "containerd's configuration is not there: use registries and containerd.configPatches of a cluster file")
		return Mount{}, false
	case path.IsAbs(target) && target != "/" && own != "":
		m.leave(at, "%s is in the way of %s, which the node itself needs", from.ContainerPath, own)
		return Mount{}, false
	}
	if p := from.Propagation; p != "" && p != "None" {
		m.leave(at.field("propagation"), "mounts are made once, without propagation")
	}
	if from.SelinuxRelabel {
		m.leave(at.field("selinuxRelabel"), "files keep the labels that they have")
	}
	return Mount{Source: from.HostPath, Target: from.ContainerPath, ReadOnly: from.ReadOnly}, true
}
