package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// moveTimeout bounds how long a server's container may take to be made anew.
const moveTimeout = time.Minute

// move makes the container of the only server anew: without the port that an edge is to have, and as one of several. The
// edge is made before, and started after, so that there is always a container that says where the API is.
func (a *addition) move(ctx context.Context) error {
	edge := a.plan.node(a.plan.entry)
	edge.labels[nodeapi.LabelRemade] = "true"
	if err := a.creation.createNode(ctx, edge); err != nil {
		return err
	}
	if err := a.remake(ctx, a.plan.entry, a.plan.serversFor(*a.moving)); err != nil {
		return err
	}
	return a.creation.readiness.start(context.WithoutCancel(ctx), a.moving.name) // what it says is heard for longer
}

// remake makes the container of the moving server anew, with the endpoint on entry and other servers than before. Its
// volume stays. A cancellation waits until it is done.
func (a *addition) remake(ctx context.Context, entry string, servers []string) error {
	n := *a.moving
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moveTimeout)
	defer cancel()
	plan := *a.plan
	plan.entry = entry
	spec := plan.container(n)
	if n.name != entry {
		delete(spec.Labels, nodeapi.LabelAPIAddress)
		delete(spec.Labels, nodeapi.LabelAPIPort)
	}
	fresh, err := a.service.prepare(ctx, spec, nil)
	if err != nil {
		return err
	}
	a.moved = true
	if err := a.service.replace(ctx, n.name, fresh); err != nil {
		return err
	}
	return a.service.editConfig(ctx, n.name, func(config *nodeapi.Config) { config.Servers = servers })
}

// moveBack gives the endpoint back to the server that had it, and waits until the API answers there. The edge has to stay
// if the server does not get it: nothing else says any more where the API is.
func (a *addition) moveBack(ctx context.Context) error {
	err := a.remake(ctx, a.moving.name, a.config.Servers)
	if err != nil {
		a.creation.keep = append(a.creation.keep, a.plan.entry)
	} else {
		starting, cancel := context.WithTimeout(ctx, moveTimeout)
		defer cancel()
		err = a.service.Engine.StartContainer(starting, a.moving.name)
	}
	if err != nil {
		return &fault.Error{Code: fault.CodeOf(err), Summary: fmt.Sprintf("the API's endpoint could not be given back to %s", a.moving.name), Cause: err,
			Hint: fmt.Sprintf("Remove what is in its way, then run 'skiff start %s'. Its data is there: do not delete the cluster.", a.cluster.Name)}
	}
	a.service.emit(event.Event{ID: "move/" + a.moving.name, Kind: event.KindMove, Subject: a.moving.name, State: event.Undone})
	return a.awaitAPI(ctx)
}

// awaitAPI waits until the API answers where it is now.
func (a *addition) awaitAPI(ctx context.Context) error {
	return a.service.newReadiness(a.cluster.Name, moveTimeout, a.cluster.wake()).checkAPI(ctx, a.creds)
}

// undo removes what was added, and nothing that another addition made meanwhile. If the endpoint has moved to an edge
// that runs, it stays there.
func (a *addition) undo(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	looking, cancel := context.WithTimeout(ctx, rollbackTimeout)
	defer cancel()
	made, err := a.creation.made(looking)
	if err != nil { // it may be a server with a vote
		return a.creation.notRemoved(err)
	}
	var mine []string // those of the planned nodes that are this addition's
	edgeRuns := false
	for _, v := range made.volumes {
		mine = append(mine, v.Name)
	}
	for _, c := range made.containers {
		edgeRuns = edgeRuns || c.Name == a.plan.entry && c.State == NodeRunning
	}
	for _, name := range a.announced {
		if withdrawErr := a.withdraw(ctx, name); withdrawErr != nil {
			err = errors.Join(err, withdrawErr)
			a.creation.keep = append(a.creation.keep, name)
		}
	}
	if a.moved && edgeRuns {
		a.creation.keep = append(a.creation.keep, a.plan.entry) // it is the endpoint now
	} else if a.moved {
		err = errors.Join(err, a.moveBack(ctx))
	}
	err = errors.Join(err, a.creation.rollback(ctx, false))
	for _, name := range mine {
		if slices.Contains(a.creation.keep, name) {
			continue
		}
		// The API may be what does not work, and then the object was not made either.
		deleting, cancel := context.WithTimeout(ctx, askTimeout)
		_ = a.service.Kube.DeleteNode(deleting, a.creds, name)
		cancel()
	}
	if a.moved && edgeRuns && len(a.creation.keep) == 1 { // with a server that was kept it may not answer at all
		err = errors.Join(err, a.awaitAPI(ctx))
	}
	return err
}
