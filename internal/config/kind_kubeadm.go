package config

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kubeadm takes what is simple and common out of kubeadm's configuration, and reports the rest. Skiff starts nothing
// with kubeadm.
func (m *importer) kubeadm() {
	for i, patch := range m.from.KubeadmConfigPatches {
		m.kubeadmPatch(fieldPath("kubeadmConfigPatches").index(i), patch, -1)
	}
	for i := range m.from.KubeadmConfigPatchesJSON6902 {
		m.leave(fieldPath("kubeadmConfigPatchesJSON6902").index(i), noJSONPatch)
	}
	for i, node := range m.from.Nodes {
		for j, patch := range node.KubeadmConfigPatches {
			m.kubeadmPatch(groupPath(i).field("kubeadmConfigPatches").index(j), patch, i)
		}
		for j := range node.KubeadmConfigPatchesJSON6902 {
			m.leave(groupPath(i).field("kubeadmConfigPatchesJSON6902").index(j), noJSONPatch)
		}
	}
}

const (
	noJSONPatch = "JSON patches are of kubeadm's files, which Skiff does not have"
	noKubeadm   = "Skiff does not start nodes with kubeadm"
)

// kubeadmDoc is a document of kubeadm's inside a patch.
type kubeadmDoc struct {
	*importer
	patch fieldPath // that it is in
	block place     // of the patch
	kind  string
	nodes []int // the groups that the patch is for
	// flags is true if the kubelet's flags in it are for all nodes, as those are that a cluster file has.
	flags bool
}

// element is a field of a document, or an entry of one.
type element struct {
	name  string
	path  fieldPath // of the patch, then the field's in the document
	line  int       // in the patch
	value *yaml.Node
}

// kubeadmPatch imports a patch of one or several documents. node is the node that it is for, -1 for all.
func (m *importer) kubeadmPatch(at fieldPath, patch string, node int) {
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(patch)))
	for {
		var root yaml.Node
		switch err := decoder.Decode(&root); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			m.leave(at, "it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
			return
		case len(root.Content) == 0 || isNull(root.Content[0]):
			continue
		case follow(root.Content[0]).Kind != yaml.MappingNode:
			m.leave(at, "it is not a mapping of fields")
			return
		}
		d := &kubeadmDoc{importer: m, patch: at, block: m.source.of(at)}
		if kind := scalarField(follow(root.Content[0]), "kind"); kind != nil {
			d.kind = kind.Value
		}
		d.nodes = m.patched(d.kind, node)
		d.flags = node < 0 && d.kind == "KubeletConfiguration" || len(m.to.Nodes) == 1
		d.read(follow(root.Content[0]))
	}
}

// patched returns the groups that a kind of document is for. kubeadm reads an InitConfiguration for the first control
// plane only, and a JoinConfiguration for all other nodes.
func (m *importer) patched(kind string, node int) []int {
	first := slices.IndexFunc(m.to.Nodes, func(g NodeGroup) bool { return g.Role == RoleServer })
	var out []int
	for i := range m.to.Nodes {
		if (node < 0 || node == i) && (i == first) == (kind == "InitConfiguration") {
			out = append(out, i)
		}
	}
	return out
}

func (d *kubeadmDoc) read(root *yaml.Node) {
	for _, e := range elements(element{path: d.patch.key(d.kind), value: root}) {
		switch ofNodes := d.kind == "InitConfiguration" || d.kind == "JoinConfiguration"; {
		case e.name == "kind" || e.name == "apiVersion":
		case ofNodes && e.name == "nodeRegistration":
			d.registration(e)
		case d.kind == "ClusterConfiguration" && slices.Contains([]string{"apiServer", "controllerManager", "scheduler"}, e.name):
			d.component(e.name, e)
		case d.kind == "ClusterConfiguration" && e.name == "etcd":
			d.etcd(e)
		case d.kind == "ClusterConfiguration" && e.name == "networking":
			d.skip(e, "kind takes it from networking")
		case d.kind == "KubeletConfiguration":
			d.kubelet(e)
		case d.kind == "KubeProxyConfiguration":
			d.skip(e, "if kube-proxy has a flag for it, use kubernetes.extraArgs.kubeProxy of a cluster file")
		default:
			d.skip(e, noKubeadm)
		}
	}
}

func (d *kubeadmDoc) skip(e element, reason string) {
	d.leaveAt(d.block.inText(e.line, 0), e.path, "%s", reason)
}

// component imports extraArgs of a component of the control plane.
func (d *kubeadmDoc) component(component string, of element) {
	for _, e := range elements(of) {
		if e.name != "extraArgs" {
			d.skip(e, noKubeadm)
			continue
		}
		for _, flag := range flags(e) {
			d.flag(component, flag)
		}
	}
}

func (d *kubeadmDoc) etcd(of element) {
	for _, e := range elements(of) {
		if e.name == "local" {
			d.component("etcd", e)
		} else {
			d.skip(e, "the datastore is in the servers")
		}
	}
}

// flag imports a flag for all nodes.
func (d *kubeadmDoc) flag(component string, e element) {
	if reason := refuseFlag(component, e.name); reason != "" {
		d.skip(e, reason)
		return
	}
	to := d.to.Kubernetes.ExtraArgs.byComponent()[component]
	if *to == nil {
		*to = Values{}
	}
	(*to)[e.name] = e.value.Value
	d.same(fieldPath("kubernetes.extraArgs").field(component).key(e.name), d.patch)
}

// registration imports labels, taints and the kubelet's flags of the nodes that the patch is for.
func (d *kubeadmDoc) registration(of element) {
	for _, e := range elements(of) {
		switch e.name {
		case "kubeletExtraArgs":
			for _, flag := range flags(e) {
				d.kubeletFlag(flag)
			}
		case "taints":
			d.taints(e)
		default:
			d.skip(e, noKubeadm)
		}
	}
}

func (d *kubeadmDoc) kubeletFlag(e element) {
	switch {
	case e.name == "node-labels":
		d.labels(e)
	case d.flags || refuseFlag("kubelet", e.name) != "":
		d.flag("kubelet", e)
	default:
		d.skip(e, "it is for some nodes only; kubernetes.extraArgs.kubelet of a cluster file is for all")
	}
}

// labels imports "a=b,c=d" of the flag --node-labels.
func (d *kubeadmDoc) labels(e element) {
	for _, label := range strings.Split(e.value.Value, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(label), "=")
		for _, i := range d.nodes {
			g := &d.to.Nodes[i]
			if g.Labels == nil {
				g.Labels = map[string]string{}
			}
			g.Labels[name] = value
			d.same(groupPath(i).field("labels").key(name), d.patch)
		}
	}
}

// taints imports a list of taints. An empty one takes the control plane's own taint away.
func (d *kubeadmDoc) taints(e element) {
	if e.value.Kind != yaml.SequenceNode {
		d.skip(e, "it is not a list of taints")
		return
	}
	taints := []Taint{}
	for _, item := range e.value.Content {
		var t Taint
		for _, f := range elements(element{value: follow(item)}) {
			switch f.name {
			case "key":
				t.Key = f.value.Value
			case "value":
				t.Value = f.value.Value
			case "effect":
				t.Effect = f.value.Value
			}
		}
		taints = append(taints, t)
	}
	for _, i := range d.nodes {
		d.to.Nodes[i].Taints = slices.Clone(taints)
		d.same(groupPath(i).field("taints"), d.patch)
	}
}

// elements returns the fields of a mapping, in order; there are none in anything else.
func elements(of element) []element {
	var out []element
	if of.value.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(of.value.Content); i += 2 {
		key := of.value.Content[i]
		out = append(out, element{key.Value, of.path.key(key.Value), key.Line, follow(of.value.Content[i+1])})
	}
	return out
}

// flags returns flags with their values: a mapping, or since v1beta4 of kubeadm's format a list of names with values.
func flags(of element) []element {
	out := elements(of)
	if of.value.Kind != yaml.SequenceNode {
		return out
	}
	for _, item := range of.value.Content {
		item = follow(item)
		if name, value := scalarField(item, "name"), scalarField(item, "value"); name != nil && value != nil {
			out = append(out, element{name.Value, of.path.key(name.Value), name.Line, value})
		}
	}
	return out
}
