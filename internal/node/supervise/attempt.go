package supervise

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

const (
	// readyPatience is how long a component may be starting before it is said what it waits for. It doubles
	// each time: a Ready that does work, instead of only waiting, must get to its end on a slow machine.
	readyPatience = 5 * time.Second
	// healthEvery is the pause between two probes of a component that has none of its own, unhealthyEvery the longest one
	// while it is unhealthy.
	healthEvery    = 10 * time.Second
	unhealthyEvery = 2 * time.Second
	// healthTimeout is how long one probe may take.
	healthTimeout = 5 * time.Second
)

var (
	errEnded = errors.New("ended without being asked to")
	// errRestart is the end of a component that is to begin anew.
	errRestart = errors.New("asked to begin anew")
)

// attempt is one run of a component.
type attempt struct {
	m *Manager
	u *unit
	// ended receives the Runner's result.
	ended chan error
	// answer receives the result of the Ready or Healthy that was last asked.
	answer   chan error
	patience time.Duration
	// lastError is the status's from before this attempt, to be shown again once it is known to serve.
	lastError string
	// readySince is zero until the component is ready.
	readySince time.Time
}

// attempt runs u once, from starting to its end. It returns how long u was ready and why it ended: an error,
// unless ctx ended and it stopped orderly.
func (m *Manager) attempt(ctx context.Context, u *unit) (ready time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &attempt{
		m: m, u: u, ended: make(chan error, 1), patience: readyPatience,
		lastError: u.status.LastError, // only this goroutine changes it
	}
	select {
	case <-u.again: // who asked for it before this attempt has it now
	default:
	}
	m.enter(u, nodeapi.StateStarting, nil)
	err = a.run(ctx, cancel)
	if !a.readySince.IsZero() {
		ready = time.Since(a.readySince)
	}
	return ready, err
}

func (a *attempt) run(ctx context.Context, cancel func()) error {
	started := make(chan int, 1)
	go func() { a.ended <- run(ctx, a.u.Runner, &a.u.ring, func(pid int) { started <- pid }) }()
	var probe <-chan time.Time // when to ask for health again
	for {
		select {
		case err := <-a.ended:
			switch {
			case ctx.Err() != nil:
				return stopError(err)
			case err == nil:
				return errEnded
			}
			return err
		case <-ctx.Done():
			return a.awaitEnd()
		case <-a.u.again:
			cancel()
			if err := a.awaitEnd(); err != nil {
				return fmt.Errorf("asked to begin anew: %w", err)
			}
			return errRestart
		case pid := <-started:
			a.m.mu.Lock()
			a.u.status.PID = pid // told of with the next state
			a.m.mu.Unlock()
			a.ask(ctx, a.u.Ready, a.patience)
		case err := <-a.answer:
			if a.readySince.IsZero() {
				if fatal := a.readyAnswer(ctx, err); fatal != nil {
					cancel()
					if err := a.awaitEnd(); err != nil {
						fatal = fmt.Errorf("%w; then: %w", fatal, err)
					}
					return fatal
				}
			} else {
				a.healthAnswer(err)
			}
			probe = a.nextProbe(err)
		case <-probe:
			a.ask(ctx, a.u.Healthy, healthTimeout)
		}
	}
}

// ask calls f in the background; its result arrives at a.answer. A nil f has no objection.
func (a *attempt) ask(ctx context.Context, f func(context.Context) error, patience time.Duration) {
	answer := make(chan error, 1)
	a.answer = answer
	if f == nil {
		answer <- nil
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err := f(ctx)
		if err != nil && ctx.Err() != nil {
			err = &outOfTime{err}
		}
		answer <- err
	}()
}

// outOfTime is an answer that came because its time was over.
type outOfTime struct{ error }

func (o *outOfTime) Unwrap() error { return o.error }

// readyAnswer takes the answer of Ready, and returns an error if the component will never be.
func (a *attempt) readyAnswer(ctx context.Context, err error) error {
	switch {
	case err == nil:
		a.readySince = time.Now()
		a.m.update(a.u, func(s *nodeapi.ComponentStatus) {
			s.State, s.LastError = nodeapi.StateReady, a.lastError
		})
		return nil
	case ctx.Err() != nil:
		return nil // it is being stopped, or ended: that is what will be told
	case !errors.As(err, new(*outOfTime)):
		return fmt.Errorf("does not become ready: %w", err)
	}
	if text := err.Error(); text != context.DeadlineExceeded.Error() {
		a.m.update(a.u, func(s *nodeapi.ComponentStatus) { s.LastError = "not ready yet: " + text })
	}
	a.patience *= 2
	a.ask(ctx, a.u.Ready, a.patience)
	return nil
}

// healthAnswer takes the answer of Healthy. Only changes are told.
func (a *attempt) healthAnswer(err error) {
	state, text := nodeapi.StateReady, ""
	if err != nil {
		state, text = nodeapi.StateUnhealthy, err.Error()
	}
	a.m.mu.Lock()
	same := a.u.status.State == state && (err == nil || a.u.status.LastError == text)
	a.m.mu.Unlock()
	if same {
		return
	}
	a.m.update(a.u, func(s *nodeapi.ComponentStatus) {
		s.State = state
		if err != nil {
			s.LastError = text
		}
	})
}

// nextProbe is when Healthy is asked again after an answer; never if there is nothing to ask.
func (a *attempt) nextProbe(err error) <-chan time.Time {
	switch {
	case a.readySince.IsZero() || a.u.Healthy == nil:
		return nil
	case err != nil:
		return time.After(min(unhealthyEvery, orDefault(a.u.HealthEvery, healthEvery)))
	default:
		return time.After(orDefault(a.u.HealthEvery, healthEvery))
	}
}

// awaitEnd waits for the Runner, which was asked to end, but not for ever: code in this process may take no
// notice of its context.
func (a *attempt) awaitEnd() error {
	limit := a.u.stopTime()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-a.ended:
		return stopError(err)
	case <-timer.C:
		return fmt.Errorf("did not end within %s of being asked to", limit)
	}
}

// stopError is a Runner's result after it was asked to end, without the errors that say only that.
func stopError(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
