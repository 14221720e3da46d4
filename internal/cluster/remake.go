package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// A node's container is made anew without a moment in which there is none, whatever fails and whoever is killed:
//
//	prepare: make the new one under another name, with all that it needs
//	replace: stop the old one, remove it, and give its name to the new one
//
// If it ends before the removal, the old one is there, and what is beside it is a leftover, which the next attempt, a
// start or the removal of the node cleans up. If it ends before the new one has its name, whoever looks next gives it the
// name (see observe). Docker reserves addresses and ports for containers that run, so the two are not in each other's way.

// freshSuffix is what a new container's name has until it takes the old one's place. No node's name has a dot.
const freshSuffix = ".new"

// prepare makes the container that is to take a node's place. files are what it is given, nil for none.
func (s *Service) prepare(ctx context.Context, spec ContainerSpec, files io.Reader) (id string, err error) {
	node := spec.Name
	if err := s.finishRemake(ctx, node); err != nil {
		return "", err
	}
	spec.Name += freshSuffix
	spec.Labels[nodeapi.LabelRemade] = "true"
	id, err = s.Engine.CreateContainer(ctx, spec)
	if err == nil && files != nil {
		err = s.Engine.CopyTo(ctx, id, nodeapi.StateDir, files)
	}
	if err != nil { // it may be there although the engine's answer was lost
		return "", errors.Join(err, s.discard(ctx, node))
	}
	return id, nil
}

// replace puts a container that was prepared in a node's place.
func (s *Service) replace(ctx context.Context, node, id string) error {
	if err := ignoreMissing(s.Engine.StopContainer(ctx, node, stopGrace)); err != nil {
		return err
	}
	// To stop takes a while, and somebody else may have taken the new one for a leftover.
	if _, err := s.Engine.Inspect(ctx, KindContainer, id); err != nil {
		return fmt.Errorf("the container that was to take the place of %s: %w", node, err)
	}
	if err := ignoreMissing(s.Engine.RemoveContainer(ctx, node)); err != nil {
		return err
	}
	return s.Engine.RenameContainer(ctx, id, node)
}

// finishRemake ends what was interrupted: a new container whose node has none takes its place, and one whose node has one goes.
func (s *Service) finishRemake(ctx context.Context, node string) error {
	err := s.Engine.RenameContainer(ctx, node+freshSuffix, node)
	if fault.CodeOf(err) == fault.Conflict {
		return s.discard(ctx, node)
	}
	return ignoreMissing(err)
}

// discard removes the container that was to take a node's place, if there is one.
func (s *Service) discard(ctx context.Context, node string) error {
	return ignoreMissing(s.Engine.RemoveContainer(ctx, node+freshSuffix))
}

// adopt gives the containers that were to take the place of one that is gone their names, and returns the nodes beside
// whose containers there is another that was to take their place.
func adopt(ctx context.Context, engine Provisioner, containers []Container) (nodes, leftovers []Container, err error) {
	names := map[string]bool{}
	for _, c := range containers {
		names[c.Name] = true
	}
	for _, c := range containers {
		node, fresh := strings.CutSuffix(c.Name, freshSuffix)
		switch {
		case fresh && names[node]:
			leftovers = append(leftovers, c)
			continue
		case fresh:
			err := engine.RenameContainer(ctx, c.ID, node)
			if fault.CodeOf(err) == fault.NotFound {
				continue // it has been removed meanwhile
			}
			if err != nil {
				return nil, nil, err
			}
			c.Name = node
		}
		nodes = append(nodes, c)
	}
	return nodes, leftovers, nil
}

// stateOf is a container's state. One that took another's place has all that it needs before it is started for the first
// time, so it is stopped, not half made. An edge that is to take the API over from a server is not yet.
func (o *objects) stateOf(c Container) NodeState {
	if c.State != NodeCreated || c.Labels[nodeapi.LabelRemade] == "" {
		return c.State
	}
	for _, other := range o.containers {
		if c.Labels[nodeapi.LabelRole] == string(nodeapi.RoleEdge) && other.ID != c.ID && apiPort(other) != 0 {
			return c.State
		}
	}
	return NodeExited
}
