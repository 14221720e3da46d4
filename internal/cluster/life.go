package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Stop stops a cluster in order: agents first, whose pods end while there is still somebody to tell, then servers, then
// the edge. It stays stopped when the engine or its host starts again.
func (s *Service) Stop(ctx context.Context, name string) error {
	c, err := s.whole(ctx, name)
	if err != nil {
		return err
	}
	stop := func(n Node) string {
		switch n.State {
		case NodeExited, NodeCreated:
			return ""
		}
		return "stop"
	}
	steps := s.stepsByRole(c, event.KindStop, stop, nodeapi.RoleAgent, nodeapi.RoleServer, nodeapi.RoleEdge)
	return s.carryOut(ctx, "the stopping of cluster "+name, steps, func(ctx context.Context, step Step) error {
		return s.stopNode(ctx, c.named(step.Subject))
	})
}

// stopNode stops a node's container. A frozen one has to go on for that.
func (s *Service) stopNode(ctx context.Context, n Node) error {
	if n.State == NodePaused {
		if err := s.Engine.UnpauseContainer(ctx, n.Name); err != nil {
			return err
		}
	}
	return s.Engine.StopContainer(ctx, n.Name, stopGrace)
}

// Start starts what does not run of a cluster, and returns when it is ready.
func (s *Service) Start(ctx context.Context, name string, wait time.Duration) (*Cluster, error) {
	c, err := s.whole(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.start(ctx, c, c.Nodes, wait)
}

// start starts some nodes of a cluster, and returns when they are ready.
func (s *Service) start(ctx context.Context, c *Cluster, nodes []Node, wait time.Duration) (*Cluster, error) {
	creds, err := s.credentials(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, node := range c.leftovers {
		if err := s.discard(ctx, node); err != nil {
			return nil, err
		}
	}
	var steps []Step
	for _, n := range nodes {
		step := Step{ID: "node/" + n.Name, Kind: event.KindNode, Subject: n.Name, Detail: "start"}
		switch n.State {
		case NodeRunning:
			step.Skip, step.Detail = true, "it runs"
		case NodePaused:
			step.Kind, step.Detail = event.KindResume, "let it go on"
		}
		steps = append(steps, step)
	}
	err = s.bringUp(ctx, "the starting of cluster "+c.Name, c, creds, steps, wait)
	if f := (*fault.Error)(nil); errors.As(err, &f) && f.Code == fault.Canceled && f.Hint == "" {
		f.Hint = fmt.Sprintf("What was started runs on: 'skiff start %s' waits for it, and 'skiff stop %s' stops it.", c.Name, c.Name)
	}
	if err != nil {
		return nil, err
	}
	after, err := s.Get(ctx, c.Name)
	if err == nil && after.reachable() == nil {
		err = s.uncordonInterrupted(ctx, creds, c.Name)
	}
	return after, err
}

// bringUp does the steps that let nodes run, waits until each of them is ready, and then until the API answers. Of nodes
// that were frozen, what the API has is from before: that they are Ready is true again when they have said so.
func (s *Service) bringUp(ctx context.Context, what string, c *Cluster, creds *Credentials, steps []Step, wait time.Duration) error {
	r, thawed := s.newReadiness(c.Name, wait, lookCloser(c.Name)), c.thawed(steps)
	var engine EngineInfo // of whose time the nodes' signs of life are
	if len(thawed) > 0 {
		var err error
		if engine, err = s.Engine.Info(ctx); err != nil {
			return err
		}
	}
	return s.carryOut(ctx, what, c.readySteps(steps), func(ctx context.Context, step Step) error {
		switch step.Kind {
		case event.KindResume:
			return s.Engine.UnpauseContainer(ctx, step.Subject)
		case event.KindNode:
			return r.start(ctx, step.Subject)
		case event.KindStart:
			if state := c.named(step.Subject).State; state == NodeRunning || state == NodePaused {
				return r.listen(ctx, step.Subject)
			}
			return r.await(ctx, step.Subject)
		}
		switch step.ID {
		case stepAPI:
			return r.checkAPI(ctx, creds)
		case stepSettle:
			return r.settle(ctx, creds, thawed, engine.Time)
		}
		return fmt.Errorf("nobody does step %s", step.ID)
	})
}

// readySteps are steps that let nodes run, followed by those that wait until what runs then is ready.
func (c *Cluster) readySteps(steps []Step) []Step {
	api := Step{ID: stepAPI, Kind: event.KindCheck, Subject: nodeapi.ConditionAPI, Detail: "answers at " + c.Endpoint}
	entryRuns, thawed := c.named(c.entry).State == NodeRunning, c.thawed(steps)
	for _, step := range slices.Clone(steps) {
		if step.Skip && c.named(step.Subject).State != NodeRunning {
			continue
		}
		entryRuns = entryRuns || step.Subject == c.entry
		start := Step{ID: "start/" + step.Subject, Kind: event.KindStart, Subject: step.Subject, Detail: "wait until it is ready", After: []string{step.ID}}
		api.After = append(api.After, start.ID)
		steps = append(steps, start)
	}
	if !entryRuns {
		api.Skip, api.Detail = true, c.entry+" does not run"
	}
	steps = append(steps, api)
	if len(thawed) > 0 && entryRuns {
		steps = append(steps, Step{ID: stepSettle, Kind: event.KindCheck, Subject: nodeapi.ConditionNode, Detail: "signs of life of those that were frozen", After: []string{api.ID}})
	}
	return steps
}

// thawed are the nodes of Kubernetes that steps let go on.
func (c *Cluster) thawed(steps []Step) []string {
	var names []string
	for _, step := range steps {
		if step.Kind == event.KindResume && !step.Skip && c.named(step.Subject).Role != nodeapi.RoleEdge {
			names = append(names, step.Subject)
		}
	}
	return names
}

// settle waits until the API has nodes that were frozen as they are, for as long as each of the waits before. since is a time
// before they went on, by their clock.
func (r *readiness) settle(ctx context.Context, creds *Credentials, nodes []string, since time.Time) error {
	limited, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	err := r.service.Kube.Settle(limited, creds, nodes, since)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("not all nodes of cluster %s are Ready %s after its API answered", creds.Cluster, r.wait), Cause: err, Hint: r.hint}
}

// NodeNames returns the whole names of nodes of a cluster, each once, in the order given. A name may leave out the
// cluster's part: agent-1. It refuses a name that no node has, and one whose node lost its container unless lost is true.
func (s *Service) NodeNames(ctx context.Context, cluster string, nodes []string, lost bool) ([]string, error) {
	c, err := s.Get(ctx, cluster)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, node := range nodes {
		find := c.node
		if lost {
			find = c.nodeOrRest
		}
		n, err := find(node)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names, nil
}

// nodes returns the nodes with some names, each once.
func (c *Cluster) nodes(names []string) ([]Node, error) {
	var list []Node
	for _, name := range names {
		n, err := c.node(name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(other Node) bool { return other.Name == n.Name }) {
			list = append(list, n)
		}
	}
	return list, nil
}

// StopNode stops one node. Its pods move after a while; it comes back with StartNodes.
func (s *Service) StopNode(ctx context.Context, cluster, node string) error {
	c, err := s.whole(ctx, cluster)
	if err != nil {
		return err
	}
	n, err := c.node(node)
	if err != nil {
		return err
	}
	step := Step{ID: "stop/" + n.Name, Kind: event.KindStop, Subject: n.Name, Skip: n.State == NodeExited || n.State == NodeCreated}
	return s.carryOut(ctx, "the stopping of node "+n.Name, []Step{step}, func(ctx context.Context, _ Step) error { return s.stopNode(ctx, n) })
}

// StartNodes starts some nodes, all at once, and returns when they are ready.
func (s *Service) StartNodes(ctx context.Context, cluster string, nodes []string, wait time.Duration) error {
	c, err := s.whole(ctx, cluster)
	if err != nil {
		return err
	}
	starting, err := c.nodes(nodes)
	if err != nil {
		return err
	}
	if err := c.refuseMinority(starting); err != nil {
		return err
	}
	_, err = s.start(ctx, c, starting, wait)
	return err
}

// refuseMinority refuses to start nodes that could not get ready, because too few servers would run with them.
func (c *Cluster) refuseMinority(starting []Node) error {
	servers, running := countServers(c.Nodes, func(n Node) bool {
		return n.State == NodeRunning || slices.ContainsFunc(starting, func(s Node) bool { return s.Name == n.Name })
	})
	if need := majority(servers); running < need {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("of the %d %s of cluster %s, %d would run: without a majority of %d no node gets ready",
			servers, plural(servers, "server"), c.Name, running, need),
			Hint: fmt.Sprintf("Start enough servers at once: 'skiff --cluster %s node start server-1 server-2 ...', or the whole cluster: 'skiff start %s'.", c.Name, c.Name)}
	}
	return nil
}

// Pause freezes a running cluster: what runs in it goes on where it was when it is resumed.
func (s *Service) Pause(ctx context.Context, name string) error {
	c, err := s.whole(ctx, name)
	if err != nil {
		return err
	}
	pause := func(n Node) string {
		if n.State == NodeRunning {
			return "freeze"
		}
		return ""
	}
	if c.State == StateStopped {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is stopped, and a cluster that does not run cannot be paused", name), Hint: c.wake()}
	}
	// The edge last: until then nobody's connection is cut, and none is left waiting for a frozen server among others.
	steps := s.stepsByRole(c, event.KindPause, pause, nodeapi.RoleAgent, nodeapi.RoleServer, nodeapi.RoleEdge)
	return s.carryOut(ctx, "the pausing of cluster "+name, steps, func(ctx context.Context, step Step) error {
		return s.Engine.PauseContainer(ctx, step.Subject)
	})
}

// Resume lets a paused cluster go on, and returns when it is ready.
func (s *Service) Resume(ctx context.Context, name string) error {
	c, err := s.whole(ctx, name)
	if err != nil {
		return err
	}
	if c.State == StateStopped {
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is not paused but stopped", name), Hint: c.wake()}
	}
	var paused []Node
	resume := func(n Node) string {
		if n.State == NodePaused {
			return "let it go on"
		}
		return ""
	}
	for _, n := range c.Nodes {
		if resume(n) != "" {
			paused = append(paused, n)
		}
	}
	if err := c.refuseMinority(paused); err != nil {
		return err
	}
	steps := s.stepsByRole(c, event.KindResume, resume, nodeapi.RoleServer, nodeapi.RoleAgent, nodeapi.RoleEdge)
	creds, err := s.credentials(ctx, c)
	if err != nil {
		return err
	}
	return s.bringUp(ctx, "the resuming of cluster "+name, c, creds, steps, 0)
}

// whole returns a cluster that was made to its end.
func (s *Service) whole(ctx context.Context, name string) (*Cluster, error) {
	c, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.State == StateIncomplete {
		return nil, c.incomplete()
	}
	return c, nil
}

// incomplete says what is missing of a cluster that is incomplete, and what to do about it.
func (c *Cluster) incomplete() error {
	if err := c.serverless(); err != nil {
		return err
	}
	var half []string
	runs, has, halfServer := false, false, false // a server
	for _, n := range c.Nodes {
		made := n.State != NodeCreated && n.State != NodeDead
		if n.Role == nodeapi.RoleServer {
			runs, has, halfServer = runs || n.State == NodeRunning, has || made, halfServer || !made
		}
		if !made {
			half = append(half, n.Name)
		}
	}
	if len(half) > 0 && (runs || has && !halfServer) { // the rest works, or would
		return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is incomplete: %s was not made to its end", c.Name, strings.Join(half, ", ")),
			Hint: fmt.Sprintf("If nobody works on it, remove it with 'skiff --cluster %s node remove %s'.", c.Name, strings.Join(half, " ")+choose(runs, "", " --force"))}
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is incomplete: its creation or deletion did not finish", c.Name),
		Hint: fmt.Sprintf("Run 'skiff delete %s', then create it again.", c.Name)}
}

// stepsByRole are steps of one kind for each node, the nodes of a role after all those of the role before. what says
// what is to be done with a node, "" for nothing.
func (s *Service) stepsByRole(c *Cluster, kind event.Kind, what func(Node) string, roles ...nodeapi.Role) []Step {
	var steps []Step
	var before, these []string
	for _, role := range roles {
		these = nil
		for _, n := range c.Nodes {
			if n.Role != role {
				continue
			}
			step := Step{ID: string(kind) + "/" + n.Name, Kind: kind, Subject: n.Name, Detail: what(n), After: before}
			if step.Detail == "" {
				step.Skip, step.Detail = true, "it is "+string(n.State)
			}
			these = append(these, step.ID)
			steps = append(steps, step)
		}
		if len(these) > 0 {
			before = these
		}
	}
	return steps
}

// carryOut does steps and says in the user's words how they ended.
func (s *Service) carryOut(ctx context.Context, what string, steps []Step, do func(context.Context, Step) error) error {
	return canceled(ctx, what, executor{emit: s.emit, do: do}.run(ctx, steps))
}

// named returns a node by its whole name; one that does not exist has none.
func (c *Cluster) named(name string) Node {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n
		}
	}
	return Node{}
}

// wake says how to make a cluster run.
func (c *Cluster) wake() string {
	states := map[NodeState]bool{}
	for _, n := range c.Nodes {
		states[n.State] = true
	}
	switch {
	case states[NodePaused]:
		return fmt.Sprintf("Run 'skiff resume %s' first.", c.Name)
	case states[NodeExited], states[NodeCreated], states[NodeDead]:
		return fmt.Sprintf("Run 'skiff start %s' first.", c.Name)
	}
	return fmt.Sprintf("See 'skiff status %s'.", c.Name)
}
