// Package nodeapi is the contract between the command line and the programs inside a node: the
// configuration a node is given, the labels its container carries, the paths and ports it uses, and the
// events and status it reports. It is the only package (beyond leaf helpers) that both sides import, so
// everything here must stay readable by the other side's older and newer releases: fields are added,
// never renamed or given another meaning.
package nodeapi

import (
	"net/netip"
	"time"
)

// ConfigVersion is the apiVersion of [Config]. A node refuses a configuration of another version.
const ConfigVersion = "node.skiff.dev/v1alpha1"

// Role names the table of components that a node runs.
type Role string

const (
	// RoleServer runs the control plane, and all that an agent runs.
	RoleServer Role = "server"
	// RoleAgent runs workloads only.
	RoleAgent Role = "agent"
	// RoleEdge forwards connections and runs nothing of Kubernetes.
	RoleEdge Role = "edge"
)

// Config is what a node must know before its first start. The command line copies it to [ConfigPath] on the
// node's volume, together with the certificates in [PKIDir], and again when a cluster file changes: the Kubernetes process
// reads it whenever it starts, PID 1 (for the runtime) when the node does. Whatever a node can find out by itself (its
// addresses, its cgroup version, its capacity) is not in here.
type Config struct {
	APIVersion string `json:"apiVersion"`
	// Cluster is the cluster's name, a DNS label.
	Cluster string `json:"cluster"`
	// Node is the node's name in Kubernetes: the same as its container's name and host name.
	Node string `json:"node"`
	Role Role   `json:"role"`
	// PodCIDRs and ServiceCIDRs are the cluster's, NodePodCIDRs this node's own part of PodCIDRs. Each holds one
	// prefix per IP family, the primary family first.
	PodCIDRs     []netip.Prefix `json:"podCIDRs"`
	NodePodCIDRs []netip.Prefix `json:"nodePodCIDRs"`
	ServiceCIDRs []netip.Prefix `json:"serviceCIDRs"`
	// DNSServiceIPs are the addresses of the kube-dns Service, one per family, inside ServiceCIDRs.
	DNSServiceIPs []netip.Addr `json:"dnsServiceIPs"`
	// ClusterDomain is the DNS domain of Services, "cluster.local" unless told.
	ClusterDomain string `json:"clusterDomain"`
	// Servers are the names of all server nodes at the time when this node was made, this one included if it is one.
	// More than one means that the cluster elects leaders. Nobody keeps it up to date: agents and edges find servers by
	// [ServersAlias], and by these names those that have lost it, because Docker does not give it back to a container
	// that is disconnected from the network and connected again.
	Servers []string `json:"servers"`
	// Join is true on a server that was added to a running cluster: its datastore is a new member of the others'.
	Join bool `json:"join,omitempty"`
	// Ephemeral lets the datastore skip fsync: faster, and a crash of the host may lose it.
	Ephemeral bool `json:"ephemeral,omitempty"`
	// Labels and Taints are what the node's object is made with. Its role's own are added.
	Labels map[string]string `json:"labels,omitempty"`
	Taints []Taint           `json:"taints,omitempty"`
	// CPUMillis and MemoryBytes are the node's size, in thousandths of a processor and in bytes. 0 means the host's.
	CPUMillis   int64 `json:"cpuMillis,omitempty"`
	MemoryBytes int64 `json:"memoryBytes,omitempty"`
	// Settings are the same on all nodes of a cluster. In JSON their fields are the configuration's.
	Settings
}

// Settings are what all nodes of a cluster are told alike.
type Settings struct {
	// NodeFailure says how soon a lost node is noticed; the zero value means upstream's times.
	NodeFailure NodeFailure `json:"nodeFailure,omitzero"`
	// FeatureGates are set for all components; RuntimeConfig turns API groups and versions on and off.
	FeatureGates  map[string]bool   `json:"featureGates,omitempty"`
	RuntimeConfig map[string]string `json:"runtimeConfig,omitempty"`
	// ExtraArgs are flags that a component is given besides Skiff's own: component to flag (without dashes) to value.
	ExtraArgs map[string]map[string]string `json:"extraArgs,omitempty"`
	// Registries are where images come from, beside what their names say.
	Registries []Registry `json:"registries,omitempty"`
	// ContainerdPatches are TOML documents that are laid over containerd's configuration, in order.
	ContainerdPatches []string `json:"containerdPatches,omitempty"`
}

// Taint is one of a node's taints.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"` // NoSchedule, PreferNoSchedule, NoExecute
}

// NodeFailure says when a node that is not heard of any more is given up.
type NodeFailure struct {
	// NotReadyAfter is how long after its last sign of life a node becomes NotReady. The kubelet gives four signs in
	// that time.
	NotReadyAfter time.Duration `json:"notReadyAfter,omitempty"`
	// EvictAfter is how long its pods stay with a node that is not ready, unless they say so themselves.
	EvictAfter time.Duration `json:"evictAfter,omitempty"`
}

// Registry says where the images of one registry come from.
type Registry struct {
	// Host is the registry's name in image references, with its port if it has one.
	Host string `json:"host"`
	// Mirrors are URLs that are asked before the registry itself, in order.
	Mirrors []string `json:"mirrors,omitempty"`
	// CA is a PEM bundle that signs the certificates of Host and Mirrors.
	CA string `json:"ca,omitempty"`
	// SkipVerify trusts every certificate.
	SkipVerify bool `json:"skipVerify,omitempty"`
}

// ImageRepository is what the names of node images begin with; the tag is the beginning of the image's ID.
const ImageRepository = "skiff-node"

// Labels of Docker objects. Together with the node's own files they are Skiff's only database.
const (
	// LabelCluster holds the cluster's name, on containers, networks and volumes.
	LabelCluster = "dev.skiff.cluster"
	// LabelRole holds the node's [Role], on containers and volumes.
	LabelRole = "dev.skiff.role"
	// LabelAPIPort holds the host port of the API endpoint, on the container that publishes it.
	LabelAPIPort = "dev.skiff.api-port"
	// LabelAPIAddress holds the host address of the API endpoint, on the container that publishes it.
	LabelAPIAddress = "dev.skiff.api-address"
	// LabelKubernetes holds the Kubernetes version ("v1.37.2"), on the image and on containers.
	LabelKubernetes = "dev.skiff.kubernetes"
	// LabelVersion holds the version of Skiff that made the object, on the image and on all objects.
	LabelVersion = "dev.skiff.version"
	// LabelContract holds [ContractVersion], on the image: the command line refuses a node image that
	// speaks another.
	LabelContract = "dev.skiff.node-contract"
	// LabelVersions holds the versions of everything in the image as JSON, as [VersionsPath] does: name to version. It
	// can be read without a container.
	LabelVersions = "dev.skiff.versions"
	// LabelEphemeral is "true" on containers whose datastore does not fsync.
	LabelEphemeral = "dev.skiff.ephemeral"
	// LabelGroup holds what the user asked for a node as JSON (see package cluster, Group), on its container.
	LabelGroup = "dev.skiff.group"
	// LabelRemade is "true" on a container that took the place of another: it has all that it needs before its first start.
	LabelRemade = "dev.skiff.remade"
	// LabelCreation is the same random value on all objects of one run of `skiff create`, so that it never
	// removes what another run made.
	LabelCreation = "dev.skiff.creation"
)

// ContractVersion names the shape of this package as seen from the other side.
const ContractVersion = "1"

// Paths inside a node.
const (
	// StateDir is the mount point of the node's volume: everything that must outlive the container.
	StateDir = "/var/lib/skiff"
	// ConfigPath holds the node's [Config] as JSON.
	ConfigPath = StateDir + "/config.json"
	// PKIDir holds the node's keys and certificates (see package pki for the file names).
	PKIDir = StateDir + "/pki"
	// EtcdDir holds the datastore of a server.
	EtcdDir = StateDir + "/etcd"
	// KubeletDir and ContainerdDir hold the state of the kubelet and of containerd. PID 1 binds KubeletDir to
	// KubeletRootDir and LogDir to /var/log, where CSI drivers and log collectors look for them.
	KubeletDir     = StateDir + "/kubelet"
	ContainerdDir  = StateDir + "/containerd"
	KubeletRootDir = "/var/lib/kubelet"
	// LogDir holds one file per component, rotated by size, and PodLogDir the pods' logs.
	LogDir    = StateDir + "/log"
	PodLogDir = "/var/log/pods"
	// CNIConfigDir and CNIBinDir are where containerd finds the CNI configuration and plugins.
	CNIConfigDir = StateDir + "/cni/net.d"
	CNIBinDir    = "/opt/cni/bin"
	// SeedPath is the first content of the datastore, made when the image was built.
	SeedPath = "/usr/share/skiff/seed"
	// PauseArchivePath is the OCI archive of the sandbox image, imported at the first start.
	PauseArchivePath = "/usr/share/skiff/pause.tar"
	// VersionsPath lists the versions of everything in the image as JSON: name to version.
	VersionsPath = "/usr/share/skiff/versions.json"

	// RunDir holds sockets and what is derived anew at every start.
	RunDir = "/run/skiff"
	// ResolvConfPath is the resolv.conf of pods with dnsPolicy Default: it names the node's own address,
	// because Docker's embedded DNS listens on a loopback address that pods cannot reach.
	ResolvConfPath = RunDir + "/resolv.conf"
	// StatusSocket serves the node's [Status] over HTTP at "/status".
	StatusSocket = RunDir + "/status.sock"
	// ContainerdSocket is containerd's, with the CRI on it.
	ContainerdSocket = "/run/containerd/containerd.sock"
	// RuntimeReadyPath is made once containerd serves and has the sandbox image: the kubelet may start.
	RuntimeReadyPath = RunDir + "/containerd.ready"
	// EtcdSocket is where clients reach the datastore: a file that only root of the node can open. Its other members come
	// to EtcdPeerPort.
	EtcdSocket = RunDir + "/etcd.sock"
	// MembersSocket serves the datastore's list of members over HTTP (see package members): only root of the node can
	// open it.
	MembersSocket = RunDir + "/members.sock"
	// AdminKubeconfigPath is a cluster-admin kubeconfig that works inside the server.
	AdminKubeconfigPath = RunDir + "/kubeconfig/admin.conf"
)

// Programs inside a node.
const (
	NodeBinary       = "/usr/bin/skiff-node"       // PID 1
	KubernetesBinary = "/usr/bin/skiff-kubernetes" // all Kubernetes components and etcd in one process
	ContainerdBinary = "/usr/bin/containerd"
)

// PauseImage is the sandbox image's name in the node's image store. It is never pulled.
const PauseImage = "skiff.dev/pause:1"

// Ports inside a node.
const (
	APIServerPort         = 6443  // on every address of the node; the only one that is published
	LocalAPIPort          = 6444  // loopback; the API server for the components of the same node, on agents by way of the balancer
	EtcdPeerPort          = 2380  // on every address, with certificates of the datastore's own authority; closed if there is one server
	ControllerManagerPort = 10257 // loopback
	SchedulerPort         = 10259 // loopback
	KubeProxyHealthzPort  = 10256 // on every address, as upstream
	KubeletHealthzPort    = 10248 // loopback
	// ClusterDNSPort serves cluster DNS on the node's address; the kube-dns Service maps 53 to it.
	ClusterDNSPort = 10053
	// HostDNSPort serves, on the node's address, what the container's own resolver knows: Docker's
	// embedded DNS listens on a loopback address that pods cannot reach.
	HostDNSPort = 53
)

// DamagedArchive is what `skiff-node load` says of an archive in which an image is not what it should be.
const DamagedArchive = "the archive is damaged"

// OtherPlatform is what `skiff-node load` says of an archive in which no image can run in the node.
const OtherPlatform = "no image of the archive is for this node's platform"

// ServersAlias is the name under which Docker's embedded DNS knows all servers of a cluster that run, on the cluster's
// network: how agents and edges find API servers whatever is added, removed or stopped (see also [Config].Servers).
const ServersAlias = "servers.skiff"
