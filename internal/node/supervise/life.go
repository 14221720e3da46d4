package supervise

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// live is a component's life, from waiting to stopped or given up. It returns an error in the latter case.
// When ctx ends, a component that runs goes on until those that depend on it have ended.
func (m *Manager) live(ctx context.Context, u *unit) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		<-ctx.Done()
		for _, d := range u.dependants {
			<-d.ended
		}
		stop()
	}()
	if !m.awaitDependencies(ctx, u) {
		m.enter(u, nodeapi.StateStopped, nil)
		return nil
	}
	for failures := 0; ; {
		ready, err := m.attempt(running, u)
		if running.Err() != nil {
			m.enter(u, nodeapi.StateStopped, err)
			return nil
		}
		if errors.Is(err, errRestart) && ctx.Err() == nil {
			failures = 0
			m.restarting(u)
			continue
		}
		m.enter(u, nodeapi.StateFailed, err)
		if u.Restart.forgets(ready) {
			failures = 0
		}
		failures++
		if ctx.Err() == nil && u.Restart.givesUp(failures) {
			m.enter(u, nodeapi.StateGivenUp, nil)
			return u.giveUp(failures, err)
		}
		if ctx.Err() == nil {
			m.enter(u, nodeapi.StateBackoff, nil)
		}
		if !sleep(ctx, u.Restart.pause(failures), u.again) {
			m.enter(u, nodeapi.StateStopped, nil)
			return nil
		}
		m.restarting(u)
	}
}

// awaitDependencies waits until all dependencies of u serve at the same time, and is false if ctx ends first.
func (m *Manager) awaitDependencies(ctx context.Context, u *unit) bool {
	var reported []string
	for {
		missing, changed := m.missing(u)
		switch {
		case ctx.Err() != nil:
			return false
		case len(missing) == 0:
			return true
		case !slices.Equal(missing, reported):
			reported = missing
			m.update(u, func(s *nodeapi.ComponentStatus) { s.WaitsFor = missing })
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// enter changes the state of a component that does not run, and its last error if there is one.
func (m *Manager) enter(u *unit, state nodeapi.State, err error) {
	m.update(u, func(s *nodeapi.ComponentStatus) {
		s.State, s.PID, s.WaitsFor = state, 0, nil
		if err != nil {
			s.LastError = err.Error()
		}
	})
}

// restarting counts a restart. It is told of with the next state, which follows at once.
func (m *Manager) restarting(u *unit) {
	m.mu.Lock()
	u.status.Restarts++
	m.mu.Unlock()
}

// sleep is false if ctx ended before or during the pause. A wish to go on ends the pause.
func sleep(ctx context.Context, pause time.Duration, again <-chan struct{}) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-again:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
