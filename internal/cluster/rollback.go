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

// rollbackTimeout bounds how long a failed creation cleans up.
const rollbackTimeout = 30 * time.Second

// rollback removes what the creation made. It asks the engine what that is, instead of remembering what was
// asked for: so it finds what was made although the answer was lost, and never touches what others made.
func (c *creation) rollback(ctx context.Context, silently bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	emit := c.service.emit
	if silently {
		emit = func(event.Event) {}
	}
	tell := func(state event.State, err error) {
		emit(event.Event{ID: "rollback", Kind: event.KindRollback, State: state, Err: err})
	}
	tell(event.Started, nil)
	made, err := c.made(ctx)
	if err == nil {
		err = removeAll(ctx, c.service.Engine, made, func(kind event.Kind, name string, err error) {
			id := string(kind) + "/" + name
			if kind == event.KindNetwork {
				id = string(kind)
			}
			if err == nil {
				emit(event.Event{ID: id, Kind: kind, Subject: name, State: event.Undone})
			}
		})
	}
	if err != nil {
		tell(event.Failed, err)
		return c.notRemoved(err)
	}
	tell(event.Done, nil)
	return nil
}

// notRemoved says what to do about what is left.
func (c *creation) notRemoved(err error) error {
	return &fault.Error{Code: fault.CodeOf(err), Summary: "what was made could not be removed again", Cause: err,
		Hint: orElse(c.leftovers, fmt.Sprintf("Remove it with 'skiff delete %s'.", c.plan.Cluster))}
}

// made are the objects that the creation made.
func (c *creation) made(ctx context.Context) (*objects, error) {
	label := nodeapi.LabelCreation + "=" + c.id
	containers, err := c.service.Engine.Containers(ctx, label)
	networks, networksErr := c.service.Engine.Networks(ctx, label)
	volumes, volumesErr := c.service.Engine.Volumes(ctx, label)
	containers = slices.DeleteFunc(containers, func(made Container) bool { return slices.Contains(c.keep, made.Name) })
	volumes = slices.DeleteFunc(volumes, func(made Volume) bool { return slices.Contains(c.keep, made.Name) })
	return &objects{containers: containers, networks: networks, volumes: volumes}, errors.Join(err, networksErr, volumesErr)
}

// ignoreMissing is err, unless it says that something does not exist.
func ignoreMissing(err error) error {
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	return err
}
