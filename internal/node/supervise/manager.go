package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Manager starts components, keeps them running and stops them. Each has a goroutine that lives its life
// (life.go, attempt.go); the Manager holds what they must know of each other.
type Manager struct {
	units    []*unit
	onChange func(nodeapi.ComponentStatus)

	// mu guards the statuses and serves of all units. It is never held while onChange is called.
	mu sync.Mutex
	// changed is closed and replaced whenever some unit's serves changes.
	changed chan struct{}
}

// unit is a component and what the Manager knows of it.
type unit struct {
	Component
	ring                     LogRing
	dependencies, dependants []*unit
	// ended is closed when the component will not run again.
	ended chan struct{}
	// again holds a wish for a restart.
	again chan struct{}

	status nodeapi.ComponentStatus
	// serves is true from the moment on that onChange was told of StateReady, so that listeners hear of a
	// component before they hear of those that waited for it.
	serves bool
}

// NewManager makes a manager of a table of components. onChange, if not nil, is called with each change of a
// component's status: in order, never twice at a time for one component, but from several goroutines for
// several. It may call Status, and should return soon, because the component waits for it.
func NewManager(components []Component, onChange func(nodeapi.ComponentStatus)) (*Manager, error) {
	if onChange == nil {
		onChange = func(nodeapi.ComponentStatus) {}
	}
	m := &Manager{onChange: onChange, changed: make(chan struct{})}
	for _, c := range components {
		m.units = append(m.units, &unit{Component: c, ended: make(chan struct{}), again: make(chan struct{}, 1), status: nodeapi.ComponentStatus{
			Name: c.Name, State: nodeapi.StateWaiting, Since: time.Now(), Version: c.Version,
			WaitsFor: slices.Clone(c.DependsOn),
		}})
	}
	if err := link(m.units); err != nil {
		return nil, err
	}
	return m, nil
}

// Ring returns a component's last log lines, nil if there is no such component.
func (m *Manager) Ring(name string) *LogRing {
	for _, u := range m.units {
		if u.Name == name {
			return &u.ring
		}
	}
	return nil
}

// Restart lets a component begin anew: one that runs ends orderly first, one that waits after a failure waits no longer.
// It returns at once; what comes of it is in the status.
func (m *Manager) Restart(name string) error {
	for _, u := range m.units {
		if u.Name != name {
			continue
		}
		select {
		case u.again <- struct{}{}:
		default: // somebody has that wish already
		}
		return nil
	}
	return fmt.Errorf("there is no component %s", name)
}

// Status returns what the components are doing, in the order of the table.
func (m *Manager) Status() []nodeapi.ComponentStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]nodeapi.ComponentStatus, len(m.units))
	for i, u := range m.units {
		all[i] = u.snapshot()
	}
	return all
}

// snapshot is the unit's status with its last log lines. The caller holds the Manager's lock.
func (u *unit) snapshot() nodeapi.ComponentStatus {
	s := u.status
	s.WaitsFor = slices.Clone(s.WaitsFor)
	s.LastLog = u.ring.Lines()
	return s
}

// Run starts each component as soon as those it depends on are ready, and keeps all running until ctx ends:
// then it stops them, each after those that depend on it, and returns nil. If a component gives up, Run
// stops the others and returns why. It may be called once.
func (m *Manager) Run(ctx context.Context) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var lives sync.WaitGroup
	for _, u := range m.units {
		lives.Go(func() {
			defer close(u.ended)
			if err := m.live(ctx, u); err != nil {
				giveUp(err) // the first counts, and none that comes after the end of ctx
			}
		})
	}
	<-ctx.Done()
	lives.Wait()
	if err := context.Cause(ctx); errors.As(err, new(*givenUp)) {
		return errors.Unwrap(err)
	}
	return nil
}

// givenUp marks the cause of a context that ended because a component gave up.
type givenUp struct{ fault *fault.Error }

func (g *givenUp) Error() string { return g.fault.Error() }
func (g *givenUp) Unwrap() error { return g.fault }

// giveUp says that u has failed for good.
func (u *unit) giveUp(failures int, cause error) error {
	lines := u.ring.Lines()
	if len(lines) > 0 {
		cause = fmt.Errorf("%w; its last log line: %s", cause, lines[len(lines)-1])
	}
	summary := u.Name + " failed"
	if failures > 1 {
		summary = fmt.Sprintf("%s failed %d times in a row", u.Name, failures)
	}
	return &givenUp{&fault.Error{
		Code: fault.NodeFailed, Summary: summary, Cause: cause, Details: lines,
		Hint: "Run 'skiff bundle' to collect the logs of all components.",
	}}
}

// update changes a unit's status and tells of it.
func (m *Manager) update(u *unit, change func(s *nodeapi.ComponentStatus)) {
	m.mu.Lock()
	before := u.status.State
	change(&u.status)
	ready := u.status.State == nodeapi.StateReady
	if u.status.State != before {
		u.status.Since = time.Now()
	}
	if !ready {
		m.setServes(u, false)
	}
	status := u.snapshot()
	m.mu.Unlock()
	m.onChange(status)
	if ready {
		m.mu.Lock()
		m.setServes(u, true)
		m.mu.Unlock()
	}
}

// setServes wakes those that wait for u. The caller holds the lock.
func (m *Manager) setServes(u *unit, serves bool) {
	if u.serves != serves {
		u.serves = serves
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

// missing returns the dependencies of u that do not serve, and a channel that is closed when that changes.
func (m *Manager) missing(u *unit) ([]string, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, d := range u.dependencies {
		if !d.serves {
			names = append(names, d.Name)
		}
	}
	return names, m.changed
}
