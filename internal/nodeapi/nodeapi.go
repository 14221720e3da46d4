// Package nodeapi is the contract between the command line and the programs inside a node: the
// configuration a node is given, the labels its container carries, the paths and ports it uses, and the
// events and status it reports. It is the only package (beyond leaf helpers) that both sides import, so
// everything here must stay readable by the other side's older and newer releases: fields are added,
// never renamed or given another meaning.
package nodeapi

import "net/netip"

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
// node's volume, together with the certificates in [PKIDir]; neither changes afterwards. Whatever a node
// can find out by itself (its addresses, its cgroup version, its capacity) is not in here.
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
	// Servers are the names of all server nodes, this one included if it is one.
	Servers []string `json:"servers"`
	// Ephemeral lets the datastore skip fsync: faster, and a crash of the host may lose it.
	Ephemeral bool `json:"ephemeral,omitempty"`
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
	// EtcdSocket is the datastore's: a file that only root of the node can open, never a port.
	EtcdSocket = RunDir + "/etcd.sock"
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
	LocalAPIPort          = 6444  // loopback; the API server for the components of the same node
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
