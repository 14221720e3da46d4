package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// RemoveOptions say how a node is removed.
type RemoveOptions struct {
	// Force does not wait for pods to move, and goes on if the cluster does not answer; then the node's object stays, which
	// an event tells. A server has to leave the datastore all the same, which takes a majority of its members.
	Force bool
}

// RemoveNodes removes nodes, one after the other, and returns the names of those that have gone. It refuses to begin with a
// majority of the servers: whoever wants that looks between one and the next if the cluster is well.
func (s *Service) RemoveNodes(ctx context.Context, cluster string, nodes []string, opts RemoveOptions) (gone []string, err error) {
	c, err := s.Get(ctx, cluster)
	if err != nil {
		return nodes[:0], err
	}
	servers, going := countServers(c.AllNodes(), func(n Node) bool {
		return slices.ContainsFunc(nodes, func(name string) bool { return n.is(c, name) })
	})
	if servers > 1 && going >= majority(servers) {
		return nodes[:0], &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("%d of the %d servers of cluster %s are a majority", going, servers, cluster),
			Hint: fmt.Sprintf("Remove one, see with 'skiff status %s' that all is well, and then the next; or apply a cluster file that says how many there are to be.", cluster)}
	}
	for i, node := range nodes {
		if err := s.RemoveNode(ctx, cluster, node, opts); err != nil {
			return nodes[:i], err
		}
	}
	return nodes, nil
}

// RemoveNode removes a node: its pods move, a server leaves the datastore, then all of it goes.
func (s *Service) RemoveNode(ctx context.Context, cluster, node string, opts RemoveOptions) error {
	c, err := s.Get(ctx, cluster) // also one that is incomplete: the node may be what makes it so
	if err != nil {
		return err
	}
	n, err := c.nodeOrRest(node)
	if err != nil {
		return err
	}
	helper, err := c.removable(n)
	if err != nil {
		return err
	}
	if n.Role == nodeapi.RoleEdge {
		opts.Force = true // it has no pods
	}
	if !opts.Force {
		if err := c.lets(n); err != nil {
			return err
		}
	}
	creds, err := s.credentials(ctx, c)
	if err != nil {
		return err
	}
	r := &nodeRemoval{service: s, cluster: c, node: n, helper: helper, creds: creds, opts: opts}
	err = s.carryOut(ctx, "the removal of node "+n.Name, removalSteps(n, opts), r.do)
	if r.cordoned { // by us, not by the user
		err = errors.Join(err, s.uncordon(ctx, creds, cluster, n.Name))
	}
	return err
}

// lets refuses to remove a node in order where there is nobody who could let its pods move.
func (c *Cluster) lets(n Node) error {
	if err := c.serverless(); err != nil {
		return err
	}
	switch {
	case c.named(c.server()).State == NodeRunning:
		return c.reachable()
	case c.State == StateIncomplete:
		return c.incomplete()
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is %s, and the pods of node %s cannot move", c.Name, c.State, n.Name), Hint: c.wake()}
}

// nodeRemoval is the removal of a node while it is carried out.
type nodeRemoval struct {
	service *Service
	cluster *Cluster
	node    Node
	helper  string // the server that is asked to remove a member
	creds   *Credentials
	opts    RemoveOptions
	// cordoned is true as long as the node takes no pods because of this removal and could run some.
	cordoned bool
}

func (r *nodeRemoval) do(ctx context.Context, step Step) (err error) {
	s, n := r.service, r.node
	switch step.Kind {
	case event.KindDrain:
		if r.cordoned, err = s.Kube.Drain(ctx, r.creds, n.Name, s.tellPods(step)); err != nil {
			return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("the pods of node %s did not move", n.Name), Cause: err,
				Hint: fmt.Sprintf("See what is in their way with 'skiff --cluster %s kubectl get pods -A -o wide', or remove the node without waiting for them: 'skiff --cluster %s node remove %s --force'.",
					r.cluster.Name, r.cluster.Name, n.Name)}
		}
		return nil
	case event.KindMember:
		if _, err := s.members(ctx, r.cluster.Name, r.helper, "remove", n.Name); err != nil {
			return r.cluster.beyondRepair(n, err)
		}
		r.cordoned = false // it can run no pods without the datastore
		return nil
	case event.KindStop:
		if n.State != NodeExited && n.State != NodeCreated {
			if err := s.stopNode(ctx, n); err != nil {
				return err
			}
		}
		r.cordoned = false // it runs no more
		return nil
	}
	if slices.Contains(r.cluster.leftovers, n.Name) {
		if err := s.discard(ctx, n.Name); err != nil {
			return err
		}
	}
	return s.removeNode(ctx, r.creds, n, r.opts)
}

// beyondRepair says of the failure to let a server go that lost its container, if that of too many others is gone as well,
// that nothing brings the datastore back. Other failures stay what they are.
func (c *Cluster) beyondRepair(n Node, err error) error {
	servers, there := countServers(c.AllNodes(), func(s Node) bool { return s.State != NodeLost })
	if n.State != NodeLost || there >= majority(servers) {
		return err
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("of the %d servers of cluster %s, %d have a container: without a majority of %d its datastore lets none go", servers, c.Name, there, majority(servers)),
		Cause: err, Hint: fmt.Sprintf("See with 'skiff status %s' what can be done.", c.Name)}
}

// nodeOrRest finds a node by name, also if only its data are left.
func (c *Cluster) nodeOrRest(name string) (Node, error) {
	if i := slices.IndexFunc(c.Lost, func(n Node) bool { return n.is(c, name) }); i >= 0 {
		return c.Lost[i], nil
	}
	return c.node(name)
}

// removalSteps are the steps of a node's removal, one after the other.
func removalSteps(n Node, opts RemoveOptions) []Step {
	steps := []Step{{ID: "drain/" + n.Name, Kind: event.KindDrain, Subject: n.Name, Detail: "move its pods"}}
	if opts.Force {
		steps[0].Skip, steps[0].Detail = true, "not asked for"
	} else if n.State != NodeRunning { // nobody is there to end them; without the node's object they count as gone
		steps[0].Skip, steps[0].Detail = true, "it does not run"
	}
	if n.Role == nodeapi.RoleServer {
		steps = append(steps, Step{ID: "member/" + n.Name, Kind: event.KindMember, Subject: n.Name, Detail: "leave the datastore"})
	}
	steps = append(steps,
		Step{ID: "stop/" + n.Name, Kind: event.KindStop, Subject: n.Name, Detail: choose(n.State == NodeLost, "it has no container", "stop"), Skip: n.State == NodeLost},
		Step{ID: "delete/node/" + n.Name, Kind: event.KindDelete, Subject: described(event.KindNode, n.Name), Detail: "remove"},
	)
	for i := range steps[1:] {
		steps[i+1].After = []string{steps[i].ID}
	}
	return steps
}

// removeNode removes what is left of a node that has been stopped.
func (s *Service) removeNode(ctx context.Context, creds *Credentials, n Node, opts RemoveOptions) error {
	if n.Role != nodeapi.RoleEdge { // which Kubernetes does not know
		if err := s.removeObject(ctx, creds, n, opts); err != nil {
			return err
		}
	}
	if err := ignoreMissing(s.Engine.RemoveContainer(ctx, n.Name)); err != nil {
		return err
	}
	return ignoreMissing(s.Engine.RemoveVolume(ctx, n.Name))
}

// removeObject removes a node's object in Kubernetes.
func (s *Service) removeObject(ctx context.Context, creds *Credentials, n Node, opts RemoveOptions) error {
	err := s.Kube.DeleteNode(ctx, creds, n.Name)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("remove the object of node %s: %w", n.Name, err)
	if !opts.Force {
		return err
	}
	s.emit(event.Event{ID: "delete/object/" + n.Name, Kind: event.KindDelete, Subject: "object " + n.Name, State: event.Failed,
		Err: fmt.Errorf("it stays in the cluster until a node with its name comes, or 'kubectl delete node' removes it: %w", err)})
	return nil
}

// removable refuses to remove what the cluster cannot live without, and returns a server that can change the
// datastore's list of members, if n is a server.
func (c *Cluster) removable(n Node) (helper string, err error) {
	refuse := func(hint, format string, args ...any) (string, error) {
		return "", &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf(format, args...), Hint: hint}
	}
	if n.Role == nodeapi.RoleEdge && n.Name != c.entry {
		return "", nil // one that was to take the API over, and did not
	}
	if n.Role == nodeapi.RoleEdge {
		return refuse(fmt.Sprintf("Delete the whole cluster with 'skiff delete %s'.", c.Name), "%s is the cluster's endpoint: without it the kubeconfig leads nowhere", n.Name)
	}
	if n.Role == nodeapi.RoleAgent {
		return "", nil
	}
	servers, running := countServers(c.AllNodes(), func(other Node) bool { // running ones besides n
		runs := other.Name != n.Name && other.State == NodeRunning
		helper = choose(runs, other.Name, helper)
		return runs
	})
	hint := c.wake()
	if lost, ok := c.lostServer(); ok {
		hint = fmt.Sprintf("First remove what is left of %s, which has no container: 'skiff --cluster %s node remove %s'.", lost.Name, c.Name, lost.Name)
	}
	switch {
	case n.State == NodeCreated && running > 0: // it was never started, so it has no vote
		return helper, nil
	case n.State == NodeLost && running > 0: // if it is a member, and if it can be removed, the datastore knows
		return helper, nil
	case n.State == NodeLost && c.server() == "":
		return refuse(fmt.Sprintf("Delete the whole cluster with 'skiff delete %s'.", c.Name), "no server of cluster %s has a container, and %s may have its data", c.Name, n.Name)
	case n.State == NodeLost:
		return refuse(c.wake(), "no server of cluster %s runs, which could let %s go", c.Name, n.Name)
	case servers == 1:
		return refuse(fmt.Sprintf("Delete the whole cluster with 'skiff delete %s', or add servers first: 'skiff --cluster %s node add --role server --count 2'.", c.Name, c.Name),
			"%s is the last server of cluster %s", n.Name, c.Name)
	case running < majority(servers-1), running+choose(n.State == NodeRunning, 1, 0) < majority(servers):
		// The first could not write any more afterwards, the second cannot even write that n is gone.
		return refuse(hint, "of the %d servers of cluster %s, %d would run without %s: no majority, and nothing could be written", servers, c.Name, running, n.Name)
	}
	return helper, nil
}

// majority of so many members of a datastore.
func majority(members int) int { return members/2 + 1 }
