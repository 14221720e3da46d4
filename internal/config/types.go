// Package config is the cluster file: what `skiff create --config FILE` reads. It is decoded strictly, filled with
// defaults and validated as a whole, so that a user learns of all mistakes at once, each with file, line and column.
// A configuration of kind is read as well, and what has no counterpart here is named.
//
// Where things are: types.go is the file as users write it, load.go the way from a path to a [Cluster], decode.go
// goes from YAML to the types and remembers where everything stood, default.go fills in, the validate files refuse,
// the kind files import, schema.go describes the types to editors.
package config

import (
	"fmt"
	"time"
)

// APIVersion and Kind are those of a cluster file.
const (
	APIVersion = "skiff.dev/v1alpha1"
	Kind       = "Cluster"
)

// Cluster is a cluster file. Its fields are also the JSON Schema's, with their comments as descriptions: run
// `go test ./internal/config -update` after a change.
type Cluster struct {
	// Version of this format: skiff.dev/v1alpha1.
	APIVersion string `json:"apiVersion" jsonschema:"required,enum=skiff.dev/v1alpha1"`
	// What the file describes: Cluster.
	Kind string `json:"kind" jsonschema:"required,enum=Cluster"`
	// What the cluster is called.
	Metadata Metadata `json:"metadata,omitzero"`
	// Kubernetes itself: its image, features and arguments.
	Kubernetes Kubernetes `json:"kubernetes,omitzero"`
	// Where the host publishes the Kubernetes API.
	API API `json:"api,omitzero"`
	// Addresses of pods, Services and nodes.
	Network Network `json:"network,omitzero"`
	// Groups of equal nodes. Without any, the cluster is one server.
	Nodes []NodeGroup `json:"nodes,omitempty"`
	// How nodes pull images from registries that need a mirror, an authority or less security.
	Registries []Registry `json:"registries,omitempty"`
	// The container runtime of all nodes.
	Containerd Containerd `json:"containerd,omitzero"`
	// Files of Kubernetes objects, or folders of such (*.yaml, *.yml, *.json, not deeper), that are applied in this
	// order once the cluster is ready. Relative paths are relative to this file.
	Manifests []string `json:"manifests,omitempty"`

	// places says where in the file a field was, for messages; nil for a cluster that was not read from one.
	places places
}

// Metadata names the cluster.
type Metadata struct {
	// Name of the cluster: a DNS label of at most 32 characters. Without one, the command line's holds.
	Name string `json:"name,omitempty" jsonschema:"maxLength=32,pattern=^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"`
}

// Kubernetes is what runs on the nodes.
type Kubernetes struct {
	// Node image, in Docker. Without one, the image that skiff carries.
	Image string `json:"image,omitempty"`
	// Let the datastore skip fsync: faster, and a crash of the host may lose it.
	Ephemeral bool `json:"ephemeral,omitempty"`
	// Feature gates of Kubernetes, for all components: name to on or off.
	FeatureGates map[string]bool `json:"featureGates,omitempty"`
	// API groups and versions to serve, or not to: "api/all" or "GROUP/VERSION" to true or false.
	RuntimeConfig Values `json:"runtimeConfig,omitempty"`
	// Further flags of the components, by name without dashes. What Skiff itself has to set is refused.
	ExtraArgs ExtraArgs `json:"extraArgs,omitzero"`
	// How soon a node that is lost counts as such.
	NodeFailure NodeFailure `json:"nodeFailure,omitzero"`
}

// ExtraArgs are flags per component.
type ExtraArgs struct {
	Etcd              Values `json:"etcd,omitempty"`
	APIServer         Values `json:"apiServer,omitempty"`
	ControllerManager Values `json:"controllerManager,omitempty"`
	Scheduler         Values `json:"scheduler,omitempty"`
	Kubelet           Values `json:"kubelet,omitempty"`
	KubeProxy         Values `json:"kubeProxy,omitempty"`
}

// Values are names with values that are text to Kubernetes. true, 5 and 0.5 need no quotes.
type Values map[string]string

// Preset is a choice of [NodeFailure]'s durations.
type Preset string

// Presets of a node's failure.
const (
	PresetLaptop   Preset = "laptop"   // seconds: people watch, and nodes are few
	PresetUpstream Preset = "upstream" // as Kubernetes has it for large clusters: 40 s and 5 min
)

// NodeFailure is how soon a lost node is noticed, and its pods move.
type NodeFailure struct {
	// Durations to start from: laptop (8s and 10s, the default) or upstream (40s and 5m).
	Preset Preset `json:"preset,omitempty" jsonschema:"enum=laptop,enum=upstream"`
	// How long a node may be silent before it is NotReady, 4s to 1h (node-monitor-grace-period).
	NotReadyAfter *Duration `json:"notReadyAfter,omitempty"`
	// How long pods stay bound to a node that is NotReady or unreachable, in whole seconds, 0s to 24h
	// (tolerationSeconds, unless a pod has its own).
	EvictAfter *Duration `json:"evictAfter,omitempty"`
}

// Duration is a time span, written as "1m30s".
type Duration struct{ time.Duration }

// UnmarshalText reads a duration as Go and Kubernetes write it.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	if d.Duration, err = time.ParseDuration(string(text)); err != nil {
		return fmt.Errorf("%q is not a duration: write it as 10s or 1m30s", text)
	}
	return nil
}

// MarshalText writes a duration as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// API is where the host publishes the Kubernetes API.
type API struct {
	// IP address of Docker's host: 127.0.0.1 (the default) for this machine only, 0.0.0.0 for all of its addresses.
	Address string `json:"address,omitempty"`
	// Port on Docker's host. 0 (the default) is one derived from the cluster's name.
	Port int `json:"port,omitempty" jsonschema:"minimum=0,maximum=65535"`
}

// IPFamily says which IP versions pods and Services have.
type IPFamily string

// Families of addresses.
const (
	IPv4 IPFamily = "ipv4"
	IPv6 IPFamily = "ipv6"
	Dual IPFamily = "dual"
)

// Network is the cluster's address plan.
type Network struct {
	// IP versions of pods and Services: ipv4 (the default), ipv6, or dual for both.
	IPFamily IPFamily `json:"ipFamily,omitempty" jsonschema:"enum=ipv4,enum=ipv6,enum=dual"`
	// Networks of pods, one per IP version, the primary one first. Each node takes a /24 (IPv4) or a /64 (IPv6) of it.
	// Without any: 10.244.0.0/16, fd00:10:244::/56.
	PodCIDRs []string `json:"podCIDRs,omitempty" jsonschema:"maxItems=2"`
	// Networks of Services, one per IP version, in the order of podCIDRs; /12 to /27 (IPv4) or /108 to /123 (IPv6).
	// Without any: 10.96.0.0/16, fd00:10:96::/112.
	ServiceCIDRs []string `json:"serviceCIDRs,omitempty" jsonschema:"maxItems=2"`
	// Networks of the nodes in Docker, at most one per IP version. Without one, Skiff finds a free one.
	Subnets []string `json:"subnets,omitempty" jsonschema:"maxItems=2"`
}

// Role is what nodes of a group do.
type Role string

// Roles of nodes.
const (
	RoleServer Role = "server" // runs the control plane, and all that an agent runs
	RoleAgent  Role = "agent"  // runs workloads only
)

// NodeGroup is a number of equal nodes.
type NodeGroup struct {
	// What the nodes do: server (control plane, and all that an agent does) or agent (workloads only). There are 1, 3
	// or 5 servers in all groups together.
	Role Role `json:"role" jsonschema:"required,enum=server,enum=agent"`
	// Name of the group, a DNS label, for messages and for humans.
	Name string `json:"name,omitempty"`
	// Number of nodes, 1 unless told; at most 100 in all groups together.
	Count int `json:"count" jsonschema:"minimum=0,maximum=100,default=1"`
	// Labels of the nodes in Kubernetes.
	Labels map[string]string `json:"labels,omitempty"`
	// Taints of the nodes. Servers beside agents have node-role.kubernetes.io/control-plane:NoSchedule unless this is
	// set, if only to [].
	Taints []Taint `json:"taints,omitzero"`
	// Processors of each node, such as 2 or 500m; at least 100m. Without it, all of the host's.
	CPUs Quantity `json:"cpus,omitempty"`
	// Memory of each node, such as 2Gi; at least 512Mi for a server and 128Mi for an agent. Without it, the host's.
	Memory Quantity `json:"memory,omitempty"`
	// Files and folders of Docker's host that the nodes see.
	Mounts []Mount `json:"mounts,omitempty"`
	// Ports of the node that Docker's host publishes. Only in a group of one node, because a host's port leads to one.
	Ports []Port `json:"ports,omitempty"`
}

// Quantity is an amount as Kubernetes writes it: 2, 500m, 2Gi.
type Quantity string

// Taint keeps pods off a node that do not tolerate it.
type Taint struct {
	Key   string `json:"key" jsonschema:"required"`
	Value string `json:"value,omitempty"`
	// What happens to pods that do not tolerate the taint.
	Effect string `json:"effect" jsonschema:"required,enum=NoSchedule,enum=PreferNoSchedule,enum=NoExecute"`
}

// Mount shows a file or folder of Docker's host in a node.
type Mount struct {
	// Path on Docker's host, relative to this file or absolute. It must exist.
	Source string `json:"source" jsonschema:"required"`
	// Absolute path in the node. Paths that Skiff needs are refused.
	Target string `json:"target" jsonschema:"required"`
	// The node has it read-only. A pod that mounts it does so too if its volumeMounts say readOnly.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Port publishes a port of a node on Docker's host.
type Port struct {
	// IP address of Docker's host; 127.0.0.1 unless told, 0.0.0.0 for all of its addresses. With ipFamily ipv6 it is ::1,
	// and :: for all.
	HostAddress string `json:"hostAddress,omitempty"`
	// Port on Docker's host.
	HostPort int `json:"hostPort" jsonschema:"required,minimum=1,maximum=65535"`
	// Port on the node: the nodePort of a Service, or the hostPort of a pod.
	NodePort int `json:"nodePort" jsonschema:"required,minimum=1,maximum=65535"`
	// TCP (the default), UDP or SCTP.
	Protocol string `json:"protocol,omitempty" jsonschema:"enum=TCP,enum=UDP,enum=SCTP"`
}

// Registry is how nodes pull the images of one registry.
type Registry struct {
	// The registry as image names have it, HOST or HOST:PORT; "*" is every registry that has no entry of its own.
	Host string `json:"host" jsonschema:"required"`
	// URLs to ask instead, in this order, before the registry itself.
	Mirrors []string `json:"mirrors,omitempty"`
	// PEM file of the authorities that sign for the registry and its mirrors, relative to this file or absolute.
	CA string `json:"ca,omitempty"`
	// Accept any certificate.
	SkipVerify bool `json:"skipVerify,omitempty"`
}

// Containerd is the container runtime.
type Containerd struct {
	// TOML to merge into containerd's configuration (version 3), in this order. What Skiff itself has to set is refused.
	ConfigPatches []string `json:"configPatches,omitempty"`
}
