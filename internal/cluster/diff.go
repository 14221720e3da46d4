package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Class says what it costs to make a difference go away.
type Class string

// Classes of differences.
const (
	InPlace  Class = "in place"    // nothing that runs is restarted
	Rolling  Class = "rolling"     // nodes are restarted, one after the other
	Recreate Class = "re-creation" // it cannot be changed: the cluster has to be made anew
)

// Difference is something that a cluster file says and a cluster does not have.
type Difference struct {
	// Path is where the cluster file says it: "nodes[1].count", "kubernetes.extraArgs.apiServer.v".
	Path string `json:"path"`
	// Nodes are those that it is about, none if it is about the cluster as a whole.
	Nodes []string `json:"nodes,omitempty"`
	// From is what the cluster has and To what the file says, "" for nothing.
	From  string `json:"from"`
	To    string `json:"to"`
	Class Class  `json:"class"`
	Why   string `json:"why"`
}

// impact is what has to be done with a node for its changes, the least first.
type impact int

const (
	untouched impact = iota
	noted            // its configuration is written; it concerns nothing that runs there
	object           // its object in Kubernetes changes, too
	starting         // it is started
	process          // its Kubernetes process begins anew, pods go on
	restarted        // its container is restarted
	remade           // its container is made anew
)

// Reasons that differences have in common.
const (
	whyObject  = "changed through the API"
	whyProcess = "read at the start of the Kubernetes process; pods go on"
	whyRestart = "read at the node's start"
	whyRemake  = "decided when a container is made"
	whyNoted   = "noted for the next start"
	whyFixed   = "decided when a cluster is made"
)

// existing is a node that is there, with what becomes of it.
type existing struct {
	name   string
	id     string // of its container
	role   nodeapi.Role
	state  NodeState
	image  string
	labels map[string]string // of its container
	// address and address6 are its own on the cluster's network.
	address, address6 netip.Addr
	// config is what it was told. group is what it is: labels, taints and size of its configuration, which are the
	// truth, and binds and ports of its container, which say what it was made with.
	config nodeapi.Config
	group  Group

	at     int    // its group in the file, -1 for none: then it goes
	impact impact // the greatest
	// object is true if its labels or taints change; later, if it gains taints, which waits until there are the nodes that
	// are to have the pods.
	object, later bool
}

// newExisting makes one of a container and its configuration.
func newExisting(c Container, config nodeapi.Config) *existing {
	m := &existing{name: c.Name, id: c.ID, role: nodeapi.Role(c.Labels[nodeapi.LabelRole]), state: c.State, image: c.Image, labels: c.Labels, config: config, group: groupOf(c), at: -1}
	network := networkName(c.Labels[nodeapi.LabelCluster])
	m.address, m.address6 = c.Addresses[network], c.Addresses6[network]
	m.group.Labels, m.group.Taints = config.Labels, config.Taints
	m.group.CPUMillis, m.group.MemoryBytes = config.CPUMillis, config.MemoryBytes
	return m
}

// comparison finds the differences between a cluster and what is wanted of it. It is pure: what it needs has been read.
type comparison struct {
	wanted Spec        // validated
	nodes  []*existing // servers first, by number; edges last
	// current is the specification of what is there: networks and endpoint.
	current Spec
	entry   string // the node that publishes the API
	image   otherImage

	found []Difference
	// missing are the nodes that groups lack.
	missing []Group
}

// otherImage is the node image that a file names; the zero value is none.
type otherImage struct {
	ref, id, kubernetes string
	// same says if a container is of that image.
	same func(name string) bool
}

// compare fills in found and missing, and what becomes of each node.
func (c *comparison) compare() {
	c.compareNetworks()
	c.assign()
	c.compareImage()
	c.compareSettings()
	c.compareGroups()
	c.compareCounts()
	c.compareStates()
}

// assign finds the group of the file that each node belongs to. Nodes carry no name of a group, because a file's groups
// need none: a node goes to the first group of its role that has room and describes it as it is; what is left goes, by
// number, to the groups of its role that have room, in the order of the file. So a group that is unchanged keeps its
// nodes whatever happens to those before it; of equal nodes that are too many those that do not run go, and then the highest
// numbers; and with the same file the answer is always the same.
func (c *comparison) assign() {
	room := make([]int, len(c.wanted.Groups))
	for i, g := range c.wanted.Groups {
		room[i] = g.Count
	}
	for _, pass := range []struct{ equal, running bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		for _, m := range c.nodes {
			for i, g := range c.wanted.Groups {
				if m.at < 0 && g.Role == m.role && room[i] > 0 && (m.state == NodeRunning || !pass.running) && (!pass.equal || len(c.compareGroup(m, i)) == 0) {
					m.at = i
					room[i]--
				}
			}
		}
	}
	for i, g := range c.wanted.Groups {
		if room[i] > 0 {
			g.Count = room[i]
			c.missing = append(c.missing, g)
		}
	}
}

// change is a difference of one node.
type change struct {
	path, from, to string
	impact         impact
	why            string
}

// note takes the changes of some nodes in. One that several nodes have in common is one difference.
func (c *comparison) note(nodes []*existing, of func(*existing) []change) {
	type key struct{ path, from, to string }
	at := map[key]int{}
	worst := map[key]impact{}
	for _, m := range nodes {
		for _, ch := range of(m) {
			m.impact = max(m.impact, ch.impact)
			m.object = m.object || ch.impact == object
			k := key{ch.path, ch.from, ch.to}
			i, known := at[k]
			if !known {
				i = len(c.found)
				at[k] = i
				c.found = append(c.found, Difference{Path: ch.path, From: ch.from, To: ch.to})
			}
			d := &c.found[i]
			if ch.impact > worst[k] { // nodes that it costs less need not be named
				worst[k], d.Nodes = ch.impact, nil
				d.Class, d.Why = choose(ch.impact >= process, Rolling, InPlace), ch.why
			}
			if ch.impact == worst[k] {
				d.Nodes = append(d.Nodes, m.name)
			}
		}
	}
}

// fixed notes a difference that cannot be made to go away.
func (c *comparison) fixed(path, from, to, why string) {
	if from != to {
		c.found = append(c.found, Difference{Path: path, From: from, To: to, Class: Recreate, Why: why})
	}
}

func (c *comparison) compareNetworks() {
	have, want := c.current.Networks, c.wanted.Networks
	families := func(n Networks) string {
		switch {
		case len(n.PodCIDRs) > 1:
			return "dual"
		case n.has6():
			return "ipv6"
		}
		return "ipv4"
	}
	c.fixed("network.ipFamily", families(have), families(want), whyFixed)
	c.fixed("network.podCIDRs", prefixText(have.PodCIDRs), prefixText(want.PodCIDRs), whyFixed)
	c.fixed("network.serviceCIDRs", prefixText(have.ServiceCIDRs), prefixText(want.ServiceCIDRs), whyFixed)
	for _, subnet := range want.Subnets { // one that is not named was found
		if !slices.Contains(have.Subnets, subnet) {
			c.fixed("network.subnets", prefixText(have.Subnets), prefixText(want.Subnets), whyFixed)
			break
		}
	}
	const whyEndpoint = "kubeconfigs and certificates name it"
	c.fixed("api.address", plainAddress(c.current.APIAddress), plainAddress(c.wanted.APIAddress), whyEndpoint)
	if c.wanted.APIPort != 0 {
		c.fixed("api.port", strconv.Itoa(int(c.current.APIPort)), strconv.Itoa(int(c.wanted.APIPort)), whyEndpoint)
	}
}

// compareImage compares the image of all nodes, edges too. A file that names none leaves the nodes theirs.
func (c *comparison) compareImage() {
	if c.image.ref == "" {
		return
	}
	if have, want := minor(c.current.kubernetes(c.nodes)), minor(c.image.kubernetes); have != want {
		c.fixed("kubernetes.image", "Kubernetes "+have, "Kubernetes "+want, "another minor of Kubernetes")
		return
	}
	c.note(c.nodes, func(m *existing) []change {
		if m.role != nodeapi.RoleEdge && m.at < 0 || c.image.same(m.name) {
			return nil
		}
		to := c.image.ref
		if to == m.image { // the name is the same, and what it names is another
			to += " (" + strings.TrimPrefix(c.image.id, "sha256:")[:min(12, len(strings.TrimPrefix(c.image.id, "sha256:")))] + ")"
		}
		return []change{{"kubernetes.image", m.image, to, remade, whyRemake}}
	})
}

// kubernetes is the version that the servers run.
func (s Spec) kubernetes(nodes []*existing) string {
	for _, m := range nodes {
		if v := m.labels[nodeapi.LabelKubernetes]; v != "" {
			return v
		}
	}
	return ""
}

// staying are the nodes that a group wants, without edges, which are told nothing.
func (c *comparison) staying() []*existing {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(m *existing) bool { return m.at < 0 })
}

// ArgsFields are the fields of a cluster file's extra arguments, by the components that they are for.
var ArgsFields = map[string]ArgsField{
	"etcd": {Name: "etcd"}, "kube-apiserver": {Name: "apiServer"}, "kube-controller-manager": {Name: "controllerManager"},
	"kube-scheduler": {Name: "scheduler"}, "kubelet": {Name: "kubelet", Agents: true}, "kube-proxy": {Name: "kubeProxy", Agents: true},
}

// ArgsField is a field with extra arguments of a component, and whether agents run that.
type ArgsField struct {
	Name   string
	Agents bool
}

// compareSettings compares what all nodes are told alike.
func (c *comparison) compareSettings() {
	want := c.wanted.Settings
	c.note(c.staying(), func(m *existing) (list []change) {
		have := m.config.Settings
		// add notes a change that is read at the start of a process on all nodes, or on servers only.
		add := func(path, from, to string, everywhere bool) {
			if everywhere || m.role == nodeapi.RoleServer {
				list = append(list, change{path, from, to, process, whyProcess})
			} else {
				list = append(list, change{path, from, to, noted, whyNoted})
			}
		}
		if m.config.Ephemeral != c.wanted.Ephemeral {
			ch := change{"kubernetes.ephemeral", strconv.FormatBool(m.config.Ephemeral), strconv.FormatBool(c.wanted.Ephemeral), remade, whyRemake}
			if m.role != nodeapi.RoleServer {
				ch.impact, ch.why = noted, whyNoted
			}
			list = append(list, ch)
		}
		entries(have.FeatureGates, want.FeatureGates, strconv.FormatBool, func(name, from, to string) {
			add(pathKey("kubernetes.featureGates", name), from, to, true)
		})
		entries(have.RuntimeConfig, want.RuntimeConfig, asIs, func(name, from, to string) {
			add(pathKey("kubernetes.runtimeConfig", name), from, to, false)
		})
		for _, component := range slices.Sorted(maps.Keys(ArgsFields)) {
			at := ArgsFields[component]
			entries(have.ExtraArgs[component], want.ExtraArgs[component], quotedIfEmpty, func(flag, from, to string) {
				add(pathKey("kubernetes.extraArgs."+at.Name, flag), from, to, at.Agents)
			})
		}
		if from, to := have.NodeFailure.NotReadyAfter, want.NodeFailure.NotReadyAfter; from != to {
			add("kubernetes.nodeFailure.notReadyAfter", span(have, from), span(want, to), true)
		}
		if from, to := have.NodeFailure.EvictAfter, want.NodeFailure.EvictAfter; from != to {
			add("kubernetes.nodeFailure.evictAfter", span(have, from), span(want, to), false)
		}
		entries(byHost(have.Registries), byHost(want.Registries), registryText, func(host, from, to string) {
			if from == to {
				to += " (another authority)"
			}
			list = append(list, change{pathKey("registries", host), from, to, restarted, whyRestart})
		})
		if from, to := have.ContainerdPatches, want.ContainerdPatches; !slices.Equal(from, to) {
			number := func(n int) string { return fmt.Sprintf("%d %s", n, choose(n == 1, "patch", "patches")) }
			list = append(list, change{"containerd.configPatches", number(len(from)), choose(len(from) == len(to), "others", number(len(to))), restarted, whyRestart})
		}
		return list
	})
}

// entries calls differs for each key that two maps do not have in common, in order; "" stands for no value.
func entries[V any](have, want map[string]V, text func(V) string, differs func(key, from, to string)) {
	keys := maps.Clone(want)
	if keys == nil {
		keys = map[string]V{}
	}
	maps.Copy(keys, have)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		from, to := "", ""
		h, has := have[k]
		if has {
			from = text(h)
		}
		w, wants := want[k]
		if wants {
			to = text(w)
		}
		if has != wants || !alike(h, w) {
			differs(k, from, to)
		}
	}
}

// alike compares by what would be written down.
func alike(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func byHost(registries []nodeapi.Registry) map[string]nodeapi.Registry {
	m := map[string]nodeapi.Registry{}
	for _, r := range registries {
		m[r.Host] = r
	}
	return m
}

// wantedTaints are what nodes of a group are to have.
func (c *comparison) wantedTaints(g Group) []nodeapi.Taint {
	return plannedNode{role: g.Role, group: g}.taints(c.wanted.Count(nodeapi.RoleAgent))
}

// compareGroups compares each node with its group.
func (c *comparison) compareGroups() {
	c.note(c.staying(), func(m *existing) []change { return c.compareGroup(m, m.at) })
	for _, m := range c.staying() {
		for _, t := range c.wantedTaints(c.wanted.Groups[m.at]) {
			m.later = m.later || !slices.Contains(m.config.Taints, t)
		}
	}
}

// compareGroup are the differences between a node and a group.
func (c *comparison) compareGroup(m *existing, at int) (list []change) {
	g, have := c.wanted.Groups[at], m.group
	path := fmt.Sprintf("nodes[%d].", at)
	entries(have.Labels, g.Labels, quotedIfEmpty, func(name, from, to string) {
		list = append(list, change{pathKey(path+"labels", name), from, to, object, whyObject})
	})
	if from, to := sorted(have.Taints, taintText), sorted(c.wantedTaints(g), taintText); from != to {
		list = append(list, change{path + "taints", from, to, object, whyObject})
	}
	if have.CPUMillis != g.CPUMillis {
		list = append(list, change{path + "cpus", cpus(have.CPUMillis), cpus(g.CPUMillis), remade, whyRemake})
	}
	if have.MemoryBytes != g.MemoryBytes {
		list = append(list, change{path + "memory", memory(have.MemoryBytes), memory(g.MemoryBytes), remade, whyRemake})
	}
	if from, to := sorted(have.Binds, bindText), sorted(g.Binds, bindText); from != to { // in any order they are the same
		list = append(list, change{path + "mounts", from, to, remade, whyRemake})
	}
	if from, to := sorted(have.Ports, portText), sorted(g.Ports, portText); from != to {
		list = append(list, change{path + "ports", from, to, remade, whyRemake})
	}
	return list
}

// compareCounts notes the nodes that are missing or too many.
func (c *comparison) compareCounts() {
	extra, run := map[int][]string{}, map[int]bool{} // by the group that they would belong to
	for _, m := range c.leaving() {
		at := -1
		for i, g := range c.wanted.Groups {
			if g.Role == m.role && (at < 0 || len(c.compareGroup(m, i)) == 0) {
				at = i
			}
		}
		extra[at], run[at] = append(extra[at], m.name), run[at] || m.state == NodeRunning
	}
	names := c.newNames()
	for i, g := range c.wanted.Groups {
		have := 0
		for _, m := range c.nodes {
			have += choose(m.at == i, 1, 0)
		}
		d := Difference{Path: fmt.Sprintf("nodes[%d].count", i), To: strconv.Itoa(g.Count), Class: InPlace}
		switch {
		case have < g.Count:
			d.From, d.Nodes, d.Why = strconv.Itoa(have), names[i], "made, and they join"
			if g.Role == nodeapi.RoleServer && c.moves() {
				d.Class, d.Why = Rolling, "the only server leaves the API's port to an edge"
			}
		case len(extra[i]) > 0:
			d.From, d.Nodes, d.Why = strconv.Itoa(have+len(extra[i])), extra[i], whyRemoved(run[i])
		default:
			continue
		}
		c.found = append(c.found, d)
	}
	if gone := extra[-1]; len(gone) > 0 {
		c.found = append(c.found, Difference{Path: "nodes", Nodes: gone, From: fmt.Sprintf("%d nodes of a role without a group", len(gone)), Class: InPlace,
			Why: whyRemoved(run[-1])})
	}
}

// whyRemoved says what becomes of nodes that go. Some of them run, or none.
func whyRemoved(run bool) string {
	if run {
		return "removed once their pods have moved"
	}
	return "removed; they do not run"
}

// moves is true if the API's port has to leave a server as soon as there are others.
func (c *comparison) moves() bool {
	return slices.ContainsFunc(c.nodes, func(m *existing) bool { return m.name == c.entry && m.role == nodeapi.RoleServer })
}

// leaving are the nodes that no group wants.
func (c *comparison) leaving() []*existing {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(m *existing) bool { return m.at >= 0 || m.role == nodeapi.RoleEdge })
}

// goingOrder is the order in which nodes go: those that do not run first, because a dead server among others is a vote that
// is missing; then the highest numbers.
func (c *comparison) goingOrder() []*existing {
	list := c.leaving()
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b *existing) int {
		return choose(a.state == NodeRunning, 1, 0) - choose(b.state == NodeRunning, 1, 0)
	})
	return list
}

// newNames are the names of missing nodes, by group: numbers go on where those that are there end.
func (c *comparison) newNames() map[int][]string {
	last := map[nodeapi.Role]int{}
	have := map[int]int{}
	for _, m := range c.nodes {
		last[m.role] = max(last[m.role], numberOf(m.name))
		have[m.at]++
	}
	names := map[int][]string{}
	for i, g := range c.wanted.Groups {
		for range g.Count - have[i] {
			last[g.Role]++
			names[i] = append(names[i], nodeName(c.wanted.Name, g.Role, last[g.Role]))
		}
	}
	return names
}

// numberOf is the number at the end of a node's name.
func numberOf(name string) int {
	number, _ := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:]) // none is 0
	return number
}

// compareStates notes the nodes that do not run.
func (c *comparison) compareStates() {
	c.note(c.staying(), func(m *existing) []change {
		if m.state == NodeRunning {
			return nil
		}
		return []change{{fmt.Sprintf("nodes[%d]", m.at), string(m.state), string(NodeRunning), starting, "started"}}
	})
}

// configFor is what a node is to be told.
func (c *comparison) configFor(m *existing) nodeapi.Config {
	config, g := m.config, c.wanted.Groups[m.at]
	config.Labels, config.Taints = g.Labels, c.wantedTaints(g)
	config.CPUMillis, config.MemoryBytes = g.CPUMillis, g.MemoryBytes
	config.Ephemeral, config.Settings = c.wanted.Ephemeral, c.wanted.Settings
	return config
}
