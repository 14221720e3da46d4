package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// executor does steps, each as soon as those that it waits for are done, and tells of them.
type executor struct {
	emit func(event.Event)
	do   func(context.Context, Step) error
	// again says why a step that failed will be done anew, "" if it will not; nil means never.
	again func(error) string
}

func (x executor) willRetry(err error) string {
	if x.again == nil {
		return ""
	}
	return x.again(err)
}

// errInterrupted is told of a step that was stopped because another one failed.
var errInterrupted = errors.New("interrupted")

// run does all steps and returns the first failure, after which no step is begun and those that run are
// cancelled and awaited.
func (x executor) run(ctx context.Context, steps []Step) error {
	done := map[string]chan struct{}{}
	for _, s := range steps {
		done[s.ID] = make(chan struct{})
	}
	for _, s := range steps {
		for _, id := range s.After {
			if done[id] == nil { // it would wait for ever
				return &fault.Error{Code: fault.Internal, Summary: fmt.Sprintf("step %s is to come after step %s, which is not there", s.ID, id)}
			}
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, s := range steps {
		group.Go(func() error {
			for _, id := range s.After {
				select {
				case <-done[id]:
				case <-groupCtx.Done():
					return context.Cause(groupCtx)
				}
			}
			if err := x.step(ctx, groupCtx, s); err != nil {
				return err
			}
			close(done[s.ID])
			return nil
		})
	}
	return group.Wait()
}

// step does one step. ctx is what the whole runs under, groupCtx ends when another step has failed too.
func (x executor) step(ctx, groupCtx context.Context, s Step) error {
	tell := func(state event.State, detail string, err error) {
		x.emit(event.Event{ID: s.ID, Kind: s.Kind, Subject: s.Subject, State: state, Detail: detail, Err: err})
	}
	if s.Skip {
		tell(event.Skipped, "", nil)
		return nil
	}
	if groupCtx.Err() != nil {
		return context.Cause(groupCtx)
	}
	tell(event.Started, "", nil)
	err := x.do(groupCtx, s)
	switch {
	case err == nil:
		tell(event.Done, "", nil)
	case ctx.Err() != nil:
		tell(event.Failed, "", context.Cause(ctx))
	case groupCtx.Err() != nil && x.willRetry(context.Cause(groupCtx)) != "":
		tell(event.Progress, "", nil) // it begins anew with the others
	case groupCtx.Err() != nil:
		tell(event.Failed, "", errInterrupted)
	case x.willRetry(err) != "":
		tell(event.Progress, x.willRetry(err), nil)
	default:
		tell(event.Failed, "", err)
	}
	return err
}

// defaultGrace is how long a call may go on after its context has ended; see lasting.
const defaultGrace = 10 * time.Second

// lasting returns a context that outlives ctx by grace. An engine goes on creating what it has begun to create
// when the client hangs up, so that giving up at once would leave things behind that appear after the rollback.
func lasting(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	if grace == 0 {
		grace = defaultGrace
	}
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() { stop(); cancel(nil) }
}

// canceled makes what came of a cancelled context an error that says so. Others pass.
func canceled(ctx context.Context, what string, err error) error {
	if err == nil || ctx.Err() == nil || fault.CodeOf(err) == fault.Canceled {
		return err
	}
	return &fault.Error{Code: fault.Canceled, Summary: fmt.Sprintf("%s was cancelled", what), Cause: context.Cause(ctx)}
}
