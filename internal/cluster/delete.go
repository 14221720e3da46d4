package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Delete removes a cluster with all that is in it, also one that is half made. What is gone already is no
// failure; only a cluster of which nothing is there is.
func (s *Service) Delete(ctx context.Context, name string) error {
	what := "the deletion of cluster " + name
	o, err := observe(ctx, s.Engine)
	if err != nil {
		return canceled(ctx, what, err)
	}
	if _, err := o.get(name); err != nil {
		return err
	}
	id := func(kind event.Kind, name string) string { return "delete/" + string(kind) + "/" + name }
	at := o.objects[name]
	at.each(func(kind event.Kind, name string) {
		s.emit(event.Event{ID: id(kind, name), Kind: event.KindDelete, Subject: described(kind, name), State: event.Started})
	})
	err = removeAll(ctx, s.Engine, at, func(kind event.Kind, name string, err error) {
		e := event.Event{ID: id(kind, name), Kind: event.KindDelete, Subject: described(kind, name), State: event.Done}
		if err != nil {
			e.State, e.Err = event.Failed, err
		}
		s.emit(e)
	})
	if ctx.Err() != nil {
		return &fault.Error{Code: fault.Canceled, Summary: what + " was cancelled", Cause: context.Cause(ctx),
			Hint: fmt.Sprintf("Run 'skiff delete %s' again to remove the rest.", name)}
	}
	return err
}

// described names an object in a sentence.
func described(kind event.Kind, name string) string { return string(kind) + " " + name }

// each calls f for every object, in the order of removal.
func (o *objects) each(f func(kind event.Kind, name string)) {
	for _, c := range slices.Concat(o.containers, o.leftovers) {
		f(event.KindNode, c.Name)
	}
	for _, n := range o.networks {
		f(event.KindNetwork, n.Name)
	}
	for _, v := range o.volumes {
		f(event.KindVolume, v.Name)
	}
}

// removeAll removes containers, killing them, and then what they used. Within each half everything goes at the
// same time, and one object that resists does not save the others. told is called once for each object, with
// the reason if it is still there.
func removeAll(ctx context.Context, engine Provisioner, o *objects, told func(event.Kind, string, error)) error {
	var containers, rest removals
	for _, c := range slices.Concat(o.containers, o.leftovers) {
		containers.add(event.KindNode, c.Name, func() error { return engine.RemoveContainer(ctx, c.ID) })
	}
	for _, n := range o.networks {
		// By ID, because in Docker another network may have the same name.
		rest.add(event.KindNetwork, n.Name, func() error { return engine.RemoveNetwork(ctx, n.ID) })
	}
	for _, v := range o.volumes {
		rest.add(event.KindVolume, v.Name, func() error { return engine.RemoveVolume(ctx, v.Name) })
	}
	return errors.Join(containers.run(told), rest.run(told))
}

// removals are objects that can be removed at the same time.
type removals []removal

type removal struct {
	kind   event.Kind
	name   string
	remove func() error
}

func (r *removals) add(kind event.Kind, name string, remove func() error) {
	*r = append(*r, removal{kind, name, remove})
}

func (r removals) run(told func(event.Kind, string, error)) error {
	errs := make([]error, len(r))
	var running sync.WaitGroup
	for i, item := range r {
		running.Go(func() {
			err := item.remove()
			if fault.CodeOf(err) == fault.NotFound {
				err = nil // someone else removed it
			}
			errs[i] = err
			told(item.kind, item.name, err)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
