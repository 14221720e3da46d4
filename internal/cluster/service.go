package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Service is the clusters of one engine.
type Service struct {
	Engine Engine
	// Image opens the node image that this program carries.
	Image func() (NodeImage, error)
	// Kube talks with clusters' own APIs.
	Kube Kube
	// Events is told what happens; nil drops it.
	Events event.Sink
	// Version of Skiff, for the labels.
	Version string

	// Tests take the host's place; nil looks at the real one.
	portBusy    func(netip.Addr, uint16) bool
	hostSubnets func() []netip.Prefix
	grace       time.Duration
	// memberLimit is how long a change of the datastore's members may take; 0 means memberTimeout.
	memberLimit time.Duration
}

func (s *Service) emit(e event.Event) {
	if s.Events == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	s.Events.Emit(e)
}

// List returns all clusters, half-made ones too, by name.
func (s *Service) List(ctx context.Context) ([]Cluster, error) {
	o, err := observe(ctx, s.Engine)
	if err != nil {
		return nil, err
	}
	return o.clusters, nil
}

// Get returns one cluster.
func (s *Service) Get(ctx context.Context, name string) (*Cluster, error) {
	o, err := observe(ctx, s.Engine)
	if err != nil {
		return nil, err
	}
	return o.get(name)
}

// get returns a cluster, or an error that says which there are.
func (o *observation) get(name string) (*Cluster, error) {
	var names []string
	for i := range o.clusters {
		if o.clusters[i].Name == name {
			return &o.clusters[i], nil
		}
		names = append(names, o.clusters[i].Name)
	}
	hint := fmt.Sprintf("Run 'skiff create %s' to make it.", name)
	if ValidateName(name) != nil {
		hint = "Run 'skiff create' to make one."
	}
	if len(names) > 0 {
		hint = "There is: " + strings.Join(names, ", ") + ".\n" + hint
	}
	return nil, &fault.Error{Code: fault.NotFound, Summary: fmt.Sprintf("there is no cluster %s", name), Hint: hint}
}

// running returns the nodes of a cluster with these names, all that run pods if there are none, and refuses those that
// do not run. A name may leave out what all nodes of the cluster begin with.
func (c *Cluster) running(names []string) ([]Node, error) {
	nodes := slices.DeleteFunc(slices.Clone(c.Nodes), func(n Node) bool { return n.Role == nodeapi.RoleEdge })
	if len(names) > 0 {
		nodes = nil
		for _, name := range names {
			n, err := c.node(name)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		}
	}
	if err := c.serverless(); err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s has no node", c.Name),
			Hint: fmt.Sprintf("Its creation did not finish: run 'skiff delete %s', then 'skiff create %s'.", c.Name, c.Name)}
	}
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.State != NodeRunning })
	if i < 0 {
		return nodes, nil
	}
	hint := c.wake()
	if run := slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return n.State != NodeRunning }); len(names) == 0 && len(run) > 0 {
		var others []string
		for _, n := range run {
			others = append(others, n.Name)
		}
		hint += fmt.Sprintf("\nOr name those that run: --node %s.", strings.Join(others, ","))
	}
	return nil, &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("node %s is %s", nodes[i].Name, nodes[i].State), Hint: hint}
}

// KubernetesNodes is how many nodes Kubernetes knows: an edge is none.
func (c *Cluster) KubernetesNodes() int {
	count := 0
	for _, n := range c.AllNodes() {
		if n.Role != nodeapi.RoleEdge {
			count++
		}
	}
	return count
}

// node finds a node by name.
func (c *Cluster) node(name string) (Node, error) {
	var names []string
	for _, n := range c.AllNodes() {
		switch {
		case n.is(c, name) && n.State == NodeLost:
			return Node{}, c.withoutContainer(n)
		case n.is(c, name):
			return n, nil
		}
		names = append(names, n.Name)
	}
	return Node{}, &fault.Error{Code: fault.NotFound, Summary: fmt.Sprintf("cluster %s has no node %s", c.Name, name),
		Hint: "Its nodes are: " + strings.Join(names, ", ") + "."}
}

// withoutContainer says that of a node only its data are left, and what to do about it.
func (c *Cluster) withoutContainer(n Node) *fault.Error {
	hint := fmt.Sprintf("remove what is left of the node, with its data: 'skiff --cluster %s node remove %s'.", c.Name, n.Name)
	switch server, ok := c.lostServer(); {
	case c.server() != "":
	case ok: // its volume has all the data
		hint = fmt.Sprintf("the data is on Docker's volume %s, and 'skiff delete %s' removes it.", server.Name, c.Name)
	default:
		hint = fmt.Sprintf("run 'skiff delete %s', then create it again.", c.Name)
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("node %s of cluster %s has no container", n.Name, c.Name),
		Hint: "Another skiff may be working on it. If none is, " + hint}
}

// serverless is withoutContainer for a cluster none of whose servers has one, nil for another.
func (c *Cluster) serverless() error {
	if server, ok := c.lostServer(); c.server() == "" && ok {
		return c.withoutContainer(server)
	}
	return nil
}

// withoutEdge says of a cluster whose edge lost its container that nothing leads to its API any more, nil of another.
func (c *Cluster) withoutEdge() error {
	server := c.named(c.server())
	if c.entry != "" || server.Name == "" || c.State == StateIncomplete {
		return nil
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s has lost its edge, the container that published its API on the host", c.Name),
		Hint: fmt.Sprintf("Its servers and all data are there, and run on: do not delete it before you have saved what you need. Where containers can be reached, a server answers: 'kubectl --server https://%s --context %s ...'.",
			net.JoinHostPort(server.Address, strconv.Itoa(nodeapi.APIServerPort)), networkName(c.Name))}
}

// is says if a node of a cluster is meant by a name, which may leave out the cluster's part.
func (n Node) is(c *Cluster, name string) bool {
	return n.Name == name || n.Name == networkName(c.Name)+"-"+name
}
