package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// PlanAdd says what AddNodes would do, or refuses what it would refuse. It changes nothing.
func (s *Service) PlanAdd(ctx context.Context, cluster string, group Group) (*Plan, error) {
	a, err := s.planAdd(ctx, cluster, []Group{group})
	if err != nil {
		return nil, canceled(ctx, "the planning of nodes for cluster "+cluster, err)
	}
	return a.plan, nil
}

// AddNodes adds nodes to a running cluster and returns when they are ready. If that fails, or ctx ends, they are removed
// again, unless opts say otherwise.
func (s *Service) AddNodes(ctx context.Context, cluster string, group Group, opts CreateOptions) (*Cluster, error) {
	return s.addNodes(ctx, cluster, []Group{group}, opts)
}

// addNodes adds nodes of several groups at once.
func (s *Service) addNodes(ctx context.Context, cluster string, groups []Group, opts CreateOptions) (*Cluster, error) {
	what := "adding nodes to cluster " + cluster
	a, err := s.planAdd(ctx, cluster, groups)
	if err != nil {
		return nil, canceled(ctx, what, err)
	}
	hint := lookCloser(cluster)
	a.creation = &creation{service: s, plan: a.plan, opts: opts, id: rand.Text(), credentials: *a.creds,
		readiness: s.newReadiness(cluster, opts.Wait, hint), leftovers: fmt.Sprintf("See what is there with 'skiff --cluster %s node list', and remove it with 'skiff --cluster %s node remove'.", cluster, cluster)}
	err = executor{emit: s.emit, do: a.do}.run(ctx, a.plan.Steps)
	var after *Cluster
	if err == nil {
		after, err = s.Get(ctx, cluster)
	}
	if err != nil {
		err = canceled(ctx, what, a.explain(ctx, err))
		if !opts.Retain {
			if undoErr := a.undo(ctx); undoErr != nil {
				err = errors.Join(err, undoErr)
			}
		}
		return nil, err
	}
	return after, nil
}

// explain says in the user's words what an engine's refusal means for the addition. Whoever else adds nodes has the name of
// one that was planned here; all else that is taken is told as it is.
func (a *addition) explain(ctx context.Context, err error) error {
	if fault.CodeOf(err) != fault.Conflict || ctx.Err() != nil {
		return err
	}
	o, observeErr := observe(ctx, a.service.Engine)
	if observeErr != nil || o.objects[a.cluster.Name] == nil {
		return err
	}
	at := o.objects[a.cluster.Name]
	if !slices.ContainsFunc(a.plan.nodes, func(n plannedNode) bool { return at.named(n.name).madeByOthers(a.creation.id) }) {
		return err
	}
	return &fault.Error{Code: fault.Conflict, Summary: fmt.Sprintf("another skiff is adding nodes to cluster %s", a.cluster.Name), Cause: err,
		Hint: fmt.Sprintf("Wait for it, see 'skiff --cluster %s node list', and try again.", a.cluster.Name)}
}

// named are the containers and volumes with a name.
func (o *objects) named(name string) *objects {
	return &objects{containers: slices.DeleteFunc(slices.Clone(o.containers), func(c Container) bool { return c.Name != name }),
		volumes: slices.DeleteFunc(slices.Clone(o.volumes), func(v Volume) bool { return v.Name != name })}
}

// addition adds nodes to a cluster.
type addition struct {
	service  *Service
	cluster  *Cluster
	creds    *Credentials
	plan     *Plan
	creation *creation
	// helper is a running server, which changes the datastore's list of members.
	helper string
	// moving is the only server of a cluster that gets more, with its edge; nil if there is no need. moved is true once
	// its container has been touched.
	moving *plannedNode
	moved  bool
	// announced are the servers that the datastore may know; one is announced at a time.
	announced []string
	// config is what the nodes that are there were told, as far as it is the same for all.
	config nodeapi.Config
}

// planAdd decides all that can be decided before anything is done.
func (s *Service) planAdd(ctx context.Context, cluster string, groups []Group) (*addition, error) {
	for _, group := range groups {
		if group.Count < 1 || group.Role != nodeapi.RoleServer && group.Role != nodeapi.RoleAgent {
			return nil, &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("%d nodes with the role %q cannot be added", group.Count, group.Role),
				Hint: "Add one or more servers or agents."}
		}
	}
	o, err := observe(ctx, s.Engine)
	if err != nil {
		return nil, err
	}
	everybody, err := s.Engine.Containers(ctx, "") // others may be on the cluster's network
	if err != nil {
		return nil, err
	}
	c, err := o.get(cluster)
	if err != nil {
		return nil, err
	}
	if err := c.takes(groups); err != nil {
		return nil, err
	}
	if err := o.refuseGroups(groups); err != nil {
		return nil, err
	}
	a := &addition{service: s, cluster: c, helper: c.server()}
	if a.creds, err = s.credentials(ctx, c); err != nil {
		return nil, err
	}
	configs, err := s.configs(ctx, c)
	if err != nil {
		return nil, err
	}
	a.config = configs[a.helper]
	spec, err := o.specOf(c, a.config)
	if err != nil {
		return nil, err
	}
	wanted := spec
	wanted.Groups = slices.Concat(spec.Groups, groups)
	if err := validateAdded(wanted.Groups, groups); err != nil {
		return nil, err
	}
	if err := wanted.Networks.validate(wanted.Count("")); err != nil {
		return nil, err
	}
	image, err := s.imageOf(ctx, c)
	if err != nil {
		return nil, err
	}
	a.plan = &Plan{title: "Add " + counted(groups) + " to", Cluster: cluster, Kubernetes: c.Kubernetes, Image: image, Endpoint: c.Endpoint, Subnet: spec.Networks.subnet(true),
		spec: wanted, engine: o.engine, network: NetworkSpec{Name: networkName(cluster)}}
	a.planNodes(o, everybody, groups, configs)
	for _, n := range a.plan.nodes {
		if subnet := spec.Networks.subnet(true); !subnet.Contains(n.address) {
			return nil, invalid("See what is on it with 'docker network inspect "+networkName(cluster)+"', and remove what you do not need.", "the subnet %s has no free address for node %s", subnet, n.name)
		}
	}
	a.plan.Steps = a.steps()
	return a, nil
}

// takes refuses a cluster that nodes cannot be added to. It takes agents while some of its nodes are stopped, if most of
// its servers run. A server joins only where all run: a datastore gets no members while one is away.
func (c *Cluster) takes(groups []Group) error {
	servers, running, frozen := c.counts()
	lost, lostServer := c.lostServer()
	agents := (Spec{Groups: groups}).Count(nodeapi.RoleServer) == 0
	switch {
	case c.State == StateRunning:
		return nil
	case c.State == StatePartial && agents && running >= majority(servers) && frozen == 0:
		return c.reachable()
	case c.State == StateIncomplete:
		return c.incomplete()
	case !agents && lostServer: // whoever makes it may move the only server, too
		return &fault.Error{Code: fault.Conflict, Summary: fmt.Sprintf("server %s of cluster %s has no container: another skiff is adding servers, or somebody removed it", lost.Name, c.Name),
			Hint: fmt.Sprintf("Wait for it, and try again. If none is, remove what is left of the node, with its data: 'skiff --cluster %s node remove %s'.", c.Name, lost.Name)}
	case len(c.Lost) > 0:
		return c.withoutContainer(c.Lost[0])
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is %s, and %s can be added to one only %s", c.Name, c.State,
		choose(agents, "agents", "servers"), choose(agents, "while most of its servers run and no node is frozen", "if all of its nodes run")), Hint: c.wake()}
}

// counted says how many nodes of each role there are in groups: "2 servers and 1 agent".
func counted(groups []Group) string {
	var parts []string
	for _, role := range []nodeapi.Role{nodeapi.RoleServer, nodeapi.RoleAgent} {
		if n := (Spec{Groups: groups}).Count(role); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, plural(n, string(role))))
		}
	}
	return strings.Join(parts, " and ")
}

// configs reads what each node was told when it was made. An edge was told nothing that matters here.
func (s *Service) configs(ctx context.Context, c *Cluster) (map[string]nodeapi.Config, error) {
	configs := make([]nodeapi.Config, len(c.Nodes))
	group, ctx := errgroup.WithContext(ctx)
	for i, n := range c.Nodes {
		group.Go(func() error {
			content, err := s.readFile(ctx, n.Name, nodeapi.ConfigPath)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(content, &configs[i]); err != nil {
				return fmt.Errorf("the configuration of %s: %w", n.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	byName := map[string]nodeapi.Config{}
	for i, n := range c.Nodes {
		byName[n.Name] = configs[i]
	}
	return byName, nil
}

// specOf is the specification of a cluster that is there, out of what a server was told and what the engine shows.
func (o *observation) specOf(c *Cluster, config nodeapi.Config) (Spec, error) {
	spec := Spec{Name: c.Name, Ephemeral: config.Ephemeral, Networks: Networks{PodCIDRs: config.PodCIDRs, ServiceCIDRs: config.ServiceCIDRs},
		Settings: config.Settings}
	if len(config.PodCIDRs) == 0 || len(config.ServiceCIDRs) == 0 {
		return spec, &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s was made by an older skiff, and does not say which networks it has", c.Name),
			Hint: fmt.Sprintf("Run 'skiff delete %s', then create it again.", c.Name)}
	}
	objects := o.objects[c.Name]
	for _, n := range objects.networks {
		if n.Name == networkName(c.Name) {
			spec.Networks.Subnets = n.Subnets
		}
	}
	if !spec.Networks.subnet(true).IsValid() {
		return spec, &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s has no network with a subnet", c.Name),
			Hint: fmt.Sprintf("Run 'skiff delete %s', then create it again.", c.Name)}
	}
	for _, container := range objects.containers {
		if port := apiPort(container); port != 0 {
			spec.APIPort, spec.APIAddress = port, container.Labels[nodeapi.LabelAPIAddress]
		}
		if group := groupOf(container); group.Role != nodeapi.RoleEdge {
			spec.Groups = append(spec.Groups, group)
		}
	}
	return spec, nil
}

// imageOf is the image of a cluster's nodes, for further ones.
func (s *Service) imageOf(ctx context.Context, c *Cluster) (string, error) {
	image := c.named(c.server()).Image
	if _, err := s.Engine.Image(ctx, image); err != nil {
		return "", &fault.Error{Code: fault.CodeOf(err), Summary: fmt.Sprintf("the node image of cluster %s, %s, cannot be used", c.Name, image), Cause: err,
			Hint: "Load it into Docker again, or create the cluster again."}
	}
	return image, nil
}

// planNodes gives each new node a name, a part of the pod network and an address that no other has.
func (a *addition) planNodes(o *observation, everybody []Container, groups []Group, configs map[string]nodeapi.Config) {
	p, networks := a.plan, a.plan.spec.Networks
	taken := map[netip.Addr]bool{}
	last := map[nodeapi.Role]int{}
	var member Container
	note := func(name string, role nodeapi.Role) { last[role] = max(last[role], numberOf(name)) }
	for _, v := range o.objects[a.cluster.Name].volumes { // one may be left of a node whose removal did not finish
		note(v.Name, nodeapi.Role(v.Labels[nodeapi.LabelRole]))
	}
	for _, c := range everybody {
		taken[c.Addresses[p.network.Name]], taken[c.Addresses6[p.network.Name]] = true, true
	}
	delete(taken, netip.Addr{}) // of those that are elsewhere
	for _, c := range o.objects[a.cluster.Name].containers {
		role := nodeapi.Role(c.Labels[nodeapi.LabelRole])
		note(c.Name, role)
		if role == nodeapi.RoleServer {
			p.others = append(p.others, c.Name)
		}
		if c.Name == a.helper {
			member = c
		}
	}
	slices.Sort(p.others)
	ranges := map[netip.Prefix]bool{}
	for _, config := range configs {
		for _, r := range config.NodePodCIDRs {
			ranges[r] = true
		}
	}
	labels := func(role nodeapi.Role) map[string]string {
		return map[string]string{nodeapi.LabelCluster: p.Cluster, nodeapi.LabelVersion: a.service.Version, nodeapi.LabelRole: string(role)}
	}
	index, number, joining := 0, firstNode, 0
	edge := networks.edgeNumber()
	for _, group := range groups {
		for range group.Count {
			for ranges[networks.podRange(index)[0]] {
				index++
			}
			for number == edge || taken[nth(networks.subnet(true), number)] || taken[nth(networks.subnet(false), number)] {
				number++
			}
			last[group.Role]++
			join := group.Role == nodeapi.RoleServer
			p.add(plannedNode{name: nodeName(p.Cluster, group.Role, last[group.Role]), role: group.Role, index: index, labels: labels(group.Role), group: group,
				join: join}, number)
			index, number, joining = index+1, number+1, joining+choose(join, 1, 0)
		}
	}
	if joining > 0 && a.cluster.entry == a.helper {
		// The endpoint cannot stay on the one server, because that may go. Its container is made anew without the port.
		a.moving = &plannedNode{name: a.helper, role: nodeapi.RoleServer, address: member.Addresses[p.network.Name],
			address6: member.Addresses6[p.network.Name], labels: member.Labels, group: groupOf(member)}
		p.entry = nodeName(p.Cluster, nodeapi.RoleEdge, 1)
		p.add(plannedNode{name: p.entry, role: nodeapi.RoleEdge, labels: labels(nodeapi.RoleEdge)}, networks.edgeNumber())
	}
}

// steps orders the work: agents all at once; servers one after the other, because a datastore takes one new member at a
// time.
func (a *addition) steps() []Step {
	const certs = "certs"
	steps := []Step{{ID: certs, Kind: event.KindCerts, Subject: a.plan.Cluster, Detail: "signed by the cluster's authority"}}
	check := Step{ID: stepAPI, Kind: event.KindCheck, Subject: nodeapi.ConditionAPI, Detail: "answers at " + a.plan.Endpoint}
	// Volumes come first: their names are the lock among those who add. Nothing that is there is touched before all are made.
	volumes := []string{certs}
	for _, n := range a.plan.nodes {
		if n.role != nodeapi.RoleEdge {
			step := Step{ID: "volume/" + n.name, Kind: event.KindVolume, Subject: n.name, Detail: "create"}
			steps, volumes = append(steps, step), append(volumes, step.ID)
		}
	}
	before := []string{certs} // what a new member waits for
	if a.moving != nil {
		move := Step{ID: "move/" + a.moving.name, Kind: event.KindMove, Subject: a.moving.name, Detail: "create " + a.plan.entry + ", then make this container anew, without the port of the API", After: volumes}
		edge := Step{ID: "node/" + a.plan.entry, Kind: event.KindNode, Subject: a.plan.entry, Detail: "start, " + a.plan.detail(a.plan.node(a.plan.entry)), After: []string{move.ID}}
		start := Step{ID: "start/" + a.moving.name, Kind: event.KindStart, Subject: a.moving.name, Detail: "wait until it is ready", After: []string{move.ID}}
		await := Step{ID: "start/" + a.plan.entry, Kind: event.KindStart, Subject: a.plan.entry, Detail: "wait until it is ready", After: []string{edge.ID}}
		steps = append(steps, move, edge, start, await)
		before = []string{start.ID, await.ID}
	}
	for _, n := range a.plan.nodes {
		if n.role == nodeapi.RoleEdge {
			continue
		}
		node := Step{ID: "node/" + n.name, Kind: event.KindNode, Subject: n.name, Detail: "create and start, " + a.plan.detail(n), After: []string{certs, "volume/" + n.name}}
		start := Step{ID: "start/" + n.name, Kind: event.KindStart, Subject: n.name, Detail: "wait until it is ready", After: []string{node.ID}}
		if n.role == nodeapi.RoleServer {
			member := Step{ID: "member/" + n.name, Kind: event.KindMember, Subject: n.name, Detail: "announce it to the datastore", After: append(slices.Clone(before), "volume/"+n.name)}
			node.After = append(node.After, member.ID)
			before = []string{start.ID}
			steps = append(steps, member)
		}
		steps = append(steps, node, start)
		check.After = append(check.After, start.ID)
	}
	return append(steps, check)
}

// do does one step.
func (a *addition) do(ctx context.Context, step Step) error {
	switch step.Kind {
	case event.KindCerts:
		return a.makeCertificates(ctx)
	case event.KindVolume:
		if err := a.creation.do(ctx, step); err != nil {
			return err
		}
		// The name is ours now. A node that had it may have been removed while the API was away.
		if err := a.service.Kube.DeleteNode(ctx, a.creds, step.Subject); err != nil {
			return fmt.Errorf("remove what is left of a former node %s: %w", step.Subject, err)
		}
		return nil
	case event.KindMember:
		a.announced = append(a.announced, step.Subject)
		_, err := a.service.members(ctx, a.cluster.Name, a.helper, "add", step.Subject)
		return err
	case event.KindMove:
		return a.move(ctx)
	case event.KindNode:
		if a.moving != nil && step.Subject == a.plan.entry { // it has been made
			return a.creation.readiness.start(ctx, step.Subject)
		}
	}
	return a.creation.do(ctx, step)
}

// makeCertificates signs with the cluster's authority, which the servers keep.
func (a *addition) makeCertificates(ctx context.Context) error {
	files := pki.Files{}
	var mu sync.Mutex
	reading, readingCtx := errgroup.WithContext(ctx)
	for _, name := range pki.ServerFiles() {
		reading.Go(func() error {
			content, err := a.service.readFile(readingCtx, a.helper, path.Join(nodeapi.PKIDir, name))
			if fault.CodeOf(err) == fault.NotFound {
				return nil // if it is needed, that is said below
			}
			mu.Lock()
			defer mu.Unlock()
			files[name] = content
			return err
		})
	}
	if err := reading.Wait(); err != nil {
		return err
	}
	authority, err := pki.LoadCluster(time.Now(), files)
	if err != nil {
		return fmt.Errorf("the authority of cluster %s: %w", a.cluster.Name, err)
	}
	a.creation.files, err = a.plan.certificates(authority)
	return err
}
