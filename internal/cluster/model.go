// Package cluster creates, finds, checks and deletes clusters. It observes the engine once, plans (a value
// that can be printed and compared), and executes; what happens is told as events. It knows neither Docker's
// client nor the terminal: engines are behind [Engine], words are in package ui.
//
// Where things are: model.go is what others see of a cluster, engine.go what is needed of a container engine,
// observe.go makes the one out of the other, validate.go, choose.go and networks.go decide for plan.go, create.go says
// what each step does and execute.go does them, rollback.go undoes, contract.go and readyz.go decide when a cluster is
// ready, node.go is a node's container with its capabilities. To change a cluster, diff.go compares (words.go writes the
// values), apply.go orders what follows, roll.go restarts nodes, and remake.go makes a node's container anew. add.go adds
// nodes, move.go takes the API's port from a server that gets others, members.go changes the datastore's members. What
// else can be done with a cluster has a file of that name.
package cluster

import (
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Spec is a cluster that a user asks for.
type Spec struct {
	// Name is a DNS label of at most 32 characters.
	Name string `json:"name"`
	// Groups are the nodes to make, in order; none means one server. There are 1, 3 or 5 servers in all of them.
	Groups []Group `json:"groups,omitempty"`
	// Ephemeral lets the datastore skip fsync.
	Ephemeral bool `json:"ephemeral,omitempty"`
	// APIAddress and APIPort are where the host publishes the API; port 0 means one derived from Name.
	APIAddress string `json:"apiAddress"`
	APIPort    uint16 `json:"apiPort,omitempty"`
	// ImageRef is a node image in the engine, "" for the one this program carries.
	ImageRef string `json:"image,omitempty"`
	// Networks are the cluster's; what is left out is filled in.
	Networks Networks `json:"networks,omitzero"`
	// Settings are the same on all nodes.
	Settings nodeapi.Settings `json:"settings,omitzero"`
}

// Group is a number of equal nodes.
type Group struct {
	Role  nodeapi.Role `json:"role"` // server or agent
	Count int          `json:"count"`
	// Labels and Taints of the nodes in Kubernetes. Taints nil means those that suit the role: a server
	// that has agents beside it takes no pods.
	Labels map[string]string `json:"labels,omitempty"`
	Taints []nodeapi.Taint   `json:"taints,omitempty"`
	// CPUMillis, in thousandths of a processor, and MemoryBytes are the size of each node; 0 is the host's.
	CPUMillis   int64 `json:"cpuMillis,omitempty"`
	MemoryBytes int64 `json:"memoryBytes,omitempty"`
	// Binds are what each node sees of the engine's host.
	Binds []Bind `json:"binds,omitempty"`
	// Ports are published on the host, for groups of one node.
	Ports []Port `json:"ports,omitempty"`
}

// Groups are so many servers and agents without particulars.
func Groups(servers, agents int) []Group {
	groups := []Group{{Role: nodeapi.RoleServer, Count: servers}}
	if agents != 0 {
		groups = append(groups, Group{Role: nodeapi.RoleAgent, Count: agents})
	}
	return groups
}

// Networks are a cluster's networks: one prefix per IP family, the primary family first.
type Networks struct {
	PodCIDRs     []netip.Prefix `json:"podCIDRs,omitempty"`
	ServiceCIDRs []netip.Prefix `json:"serviceCIDRs,omitempty"`
	// Subnets are those of the nodes in the engine, at most one per IP family. A free one is chosen where none is given.
	Subnets []netip.Prefix `json:"subnets,omitempty"`
}

// CreateOptions say how far a creation goes.
type CreateOptions struct {
	// Wait is how long the cluster may take to become ready, from the start of its nodes; 0 means two minutes.
	Wait time.Duration
	// Retain keeps what was made if the creation fails.
	Retain bool
}

// State is the state of a cluster as a whole.
type State string

// States of clusters.
const (
	StateRunning    State = "running"    // every node's container runs
	StateStopped    State = "stopped"    // none does
	StatePaused     State = "paused"     // all are frozen
	StatePartial    State = "partial"    // some run, or all but those that lost their container
	StateIncomplete State = "incomplete" // a creation or deletion did not finish
)

// NodeState is the state of a node's container, as engines say it, or that there is none.
type NodeState string

// States of nodes.
const (
	NodeCreated    NodeState = "created"
	NodeRunning    NodeState = "running"
	NodePaused     NodeState = "paused"
	NodeRestarting NodeState = "restarting"
	NodeRemoving   NodeState = "removing"
	NodeExited     NodeState = "exited"
	NodeDead       NodeState = "dead"
	NodeLost       NodeState = "lost" // its data are there, and no container
)

// Cluster is a cluster as the engine shows it.
type Cluster struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Kubernetes is the version ("v1.37.2"), as labelled.
	Kubernetes string `json:"kubernetes"`
	// Endpoint is the URL of the API on the host, "" if there is no node that publishes it.
	Endpoint  string    `json:"endpoint"`
	Ephemeral bool      `json:"ephemeral,omitempty"`
	Created   time.Time `json:"created,omitzero"`
	Nodes     []Node    `json:"nodes"` // those that have a container
	// Lost are nodes of which there are the data, and no container: somebody removed it, or has not made it yet.
	Lost []Node `json:"lost,omitempty"`

	entry     string   // the node that publishes the API, "" if there is none
	leftovers []string // nodes beside which is a container that was to take their place; see remake.go
}

// AllNodes are the cluster's nodes, those that lost their container among them.
func (c *Cluster) AllNodes() []Node {
	all := slices.Concat([]Node{}, c.Nodes, c.Lost)
	slices.SortFunc(all, compareNodes)
	return all
}

// lostServer is a server that lost its container.
func (c *Cluster) lostServer() (n Node, ok bool) {
	i := slices.IndexFunc(c.Lost, func(n Node) bool { return n.Role == nodeapi.RoleServer })
	if i < 0 {
		return Node{}, false
	}
	return c.Lost[i], true
}

// Node is a node's container. One that lost it has name, role and state only.
type Node struct {
	Name    string       `json:"name"`
	Role    nodeapi.Role `json:"role"`
	State   NodeState    `json:"state"`
	Address string       `json:"address"`
	Image   string       `json:"image"`
	Created time.Time    `json:"created,omitzero"`
}

// Status is a cluster with what its nodes report of themselves.
type Status struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	Ready bool   `json:"ready"` // nothing is missing
	// Missing says what is, in sentences for people.
	Missing    []string `json:"missing,omitempty"`
	Kubernetes string   `json:"kubernetes"`
	Endpoint   string   `json:"endpoint"`
	// API is the clause of the readiness contract that no node can tell: the API answers the administrator at Endpoint.
	// nil if no node runs that could answer.
	API *nodeapi.Condition `json:"api,omitempty"`
	// Majority of the servers, without which a datastore of several neither reads nor writes; nil if there is one server.
	Majority *nodeapi.Condition `json:"majority,omitempty"`
	Nodes    []NodeStatus       `json:"nodes"`

	missed string // what is missing and no node shows, "" if nothing
	remedy string // for containers that are gone, "" if none is
}

// NodeStatus is a node with its own report.
type NodeStatus struct {
	Node
	// Report is what the node says of itself, nil if it does not run or does not answer.
	Report *nodeapi.Status `json:"report,omitempty"`
	// Error is why there is no report from a node that runs.
	Error string `json:"error,omitempty"`
}

// Credentials are what a client needs to be the cluster's administrator.
type Credentials struct {
	Cluster string // the cluster's name
	Server  string // URL of the API
	// CA is the certificate that signs the API server's, ClientCert and ClientKey the administrator's; PEM.
	CA, ClientCert, ClientKey []byte
}

// Created is the result of a creation.
type Created struct {
	Cluster     Cluster
	Credentials Credentials
	Took        time.Duration
}

// NodeImage is a node image that can be loaded into an engine.
type NodeImage interface {
	// Ref is its name, with the hash of its content as the tag.
	Ref() string
	// Labels are the image's labels.
	Labels() map[string]string
	// Size is the number of bytes that Open returns.
	Size() int64
	// Open returns the archive, as `docker load` takes it (uncompressed tar).
	Open() (io.ReadCloser, error)
}
