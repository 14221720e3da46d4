package cluster

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// observation is what one look at the engine showed.
type observation struct {
	engine   EngineInfo
	clusters []Cluster // by name
	objects  map[string]*objects
	// networks are all of the engine's, because a new one must not overlap any.
	networks []Network

	// What only a creation needs to know of the host.
	hostSubnets []netip.Prefix
	busyPorts   map[uint16]bool
	// busyGroupPorts are those ports that groups are to have and others listen on.
	busyGroupPorts []groupPort
}

// objects are the engine's objects that carry one cluster's label.
type objects struct {
	containers []Container
	networks   []Network
	volumes    []Volume
	// leftovers are containers that were to take the place of others; see remake.go.
	leftovers []Container
}

// observe looks at the engine once. It changes one thing: a container that was to take a node's place takes it, if whoever
// made it was interrupted before; nothing else could be said of that node.
func observe(ctx context.Context, engine Engine) (*observation, error) {
	o := &observation{objects: map[string]*objects{}}
	var containers []Container
	var volumes []Volume
	group, looking := errgroup.WithContext(ctx)
	group.Go(func() (err error) { o.engine, err = engine.Info(looking); return err })
	group.Go(func() (err error) { containers, err = engine.Containers(looking, nodeapi.LabelCluster); return err })
	group.Go(func() (err error) { o.networks, err = engine.Networks(looking, ""); return err })
	group.Go(func() (err error) { volumes, err = engine.Volumes(looking, nodeapi.LabelCluster); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	containers, leftovers, err := adopt(ctx, engine, containers)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		at := o.of(c.Labels)
		at.containers = append(at.containers, c)
	}
	for _, c := range leftovers {
		at := o.of(c.Labels)
		at.leftovers = append(at.leftovers, c)
	}
	for _, n := range o.networks {
		if n.Labels[nodeapi.LabelCluster] != "" {
			at := o.of(n.Labels)
			at.networks = append(at.networks, n)
		}
	}
	for _, v := range volumes {
		at := o.of(v.Labels)
		at.volumes = append(at.volumes, v)
	}
	for _, name := range slices.Sorted(maps.Keys(o.objects)) {
		at := o.objects[name]
		for i, c := range at.containers {
			at.containers[i].State = at.stateOf(c)
		}
		o.clusters = append(o.clusters, o.objects[name].cluster(name, o.engine))
	}
	return o, nil
}

// of returns the objects of the cluster that labels name.
func (o *observation) of(labels map[string]string) *objects {
	name := labels[nodeapi.LabelCluster]
	if o.objects[name] == nil {
		o.objects[name] = &objects{}
	}
	return o.objects[name]
}

// cluster makes a cluster of its objects.
func (o *objects) cluster(name string, engine EngineInfo) Cluster {
	c := Cluster{Name: name, State: o.state(), Nodes: []Node{}}
	for _, container := range o.containers {
		labels := container.Labels
		c.Nodes = append(c.Nodes, Node{
			Name: container.Name, Role: nodeapi.Role(labels[nodeapi.LabelRole]), State: container.State,
			Address: address(container), Image: container.Image, Created: container.Created,
		})
		if c.Created.IsZero() || container.Created.Before(c.Created) {
			c.Created = container.Created
		}
		c.Kubernetes = cmp.Or(c.Kubernetes, labels[nodeapi.LabelKubernetes])
		if labels[nodeapi.LabelRole] == string(nodeapi.RoleServer) { // which have the datastore
			c.Ephemeral = c.Ephemeral || labels[nodeapi.LabelEphemeral] == "true"
		}
		// There are two while an edge takes the API over: it is where it was until the edge has been started.
		if port := apiPort(container); port != 0 && (c.entry == "" || c.named(c.entry).State == NodeCreated) {
			c.entry, c.Endpoint = container.Name, endpointURL(engine, labels[nodeapi.LabelAPIAddress], port)
		}
	}
	for _, v := range o.volumes {
		if c.named(v.Name).Name == "" {
			c.Lost = append(c.Lost, Node{Name: v.Name, Role: nodeapi.Role(v.Labels[nodeapi.LabelRole]), State: NodeLost})
		}
	}
	slices.SortFunc(c.Lost, compareNodes)
	for _, container := range o.leftovers {
		c.leftovers = append(c.leftovers, strings.TrimSuffix(container.Name, freshSuffix))
	}
	slices.SortFunc(c.Nodes, compareNodes)
	return c
}

// state sums up the states of the containers.
func (o *objects) state() State {
	volumes := map[string]bool{}
	for _, v := range o.volumes {
		volumes[v.Name] = true
	}
	states := map[NodeState]int{}
	for _, c := range o.containers {
		states[c.State]++
		// An edge has nothing to remember, and so no volume.
		if !volumes[c.Name] && c.Labels[nodeapi.LabelRole] != string(nodeapi.RoleEdge) {
			return StateIncomplete
		}
	}
	all := len(o.containers)
	lost := slices.ContainsFunc(o.volumes, func(v Volume) bool {
		return !slices.ContainsFunc(o.containers, func(c Container) bool { return c.Name == v.Name })
	})
	switch {
	case all == 0, len(o.networks) == 0, states[NodeCreated] > 0, states[NodeRemoving] > 0, states[NodeDead] > 0:
		return StateIncomplete
	case states[NodeRunning] == all && !lost:
		return StateRunning
	case states[NodeExited] == all:
		return StateStopped
	case states[NodePaused] == all:
		return StatePaused
	}
	return StatePartial
}

// compareNodes puts servers first, and the tenth after the second.
func compareNodes(a, b Node) int {
	order := []nodeapi.Role{nodeapi.RoleServer, nodeapi.RoleAgent, nodeapi.RoleEdge}
	return cmp.Or(
		cmp.Compare(slices.Index(order, a.Role), slices.Index(order, b.Role)),
		cmp.Compare(len(a.Name), len(b.Name)),
		cmp.Compare(a.Name, b.Name),
	)
}

// address is the container's on the cluster's network.
func address(c Container) string {
	own := c.Addresses[networkName(c.Labels[nodeapi.LabelCluster])]
	for _, name := range slices.Sorted(maps.Keys(c.Addresses)) {
		if !own.IsValid() {
			own = c.Addresses[name]
		}
	}
	if !own.IsValid() {
		return ""
	}
	return own.String()
}

// apiPort is the host port on which a container publishes the API, 0 if it does not. Engines list the ports of
// running containers only, so it is a label.
func apiPort(c Container) uint16 {
	port, err := strconv.ParseUint(c.Labels[nodeapi.LabelAPIPort], 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}
