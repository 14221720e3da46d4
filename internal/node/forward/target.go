package forward

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"
)

// target is a Target with its state and connections. Everything below f is guarded by the Forwarder's lock.
type target struct {
	Target
	f *Forwarder
	// wake is written to when the time of the next check may have changed.
	wake    chan struct{}
	unwatch context.CancelFunc

	state     State
	since     time.Time
	lastError string
	// failures is how many checks have failed in a row.
	failures int
	// dialFailures counts failed dials for ever. A check that succeeds while a dial fails proves nothing.
	dialFailures int
	// urgent asks for a check soon, redial for one over a new connection.
	urgent, redial bool
	links          map[*link]struct{}
	picked         int // which of the Forwarder's picks it was last
	drain          *time.Timer

	known []netip.Addr // the last addresses that the name had
	// askAgain is when the resolver is asked again, after it did not answer.
	askAgain time.Time
}

func newTarget(f *Forwarder, t Target) *target {
	return &target{
		Target: t, f: f, wake: make(chan struct{}, 1), unwatch: func() {},
		state: StateUnknown, since: time.Now(), links: map[*link]struct{}{},
	}
}

// watch checks the target until ctx ends.
func (t *target) watch(ctx context.Context) {
	check := t.f.config.Check(t.dialToCheck)
	defer check.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	swept := time.Now()
	for {
		began := time.Now()
		t.check(ctx, check)
		if time.Since(swept) >= t.f.config.Idle {
			swept = time.Now()
			t.sweep()
		}
		for due := false; !due; {
			timer.Reset(time.Until(began.Add(t.pause())))
			select {
			case <-timer.C:
				due = true
			case <-t.wake: // the pause may be shorter now
			case <-ctx.Done():
				return
			}
		}
	}
}

// check runs one check and draws the conclusions.
func (t *target) check(ctx context.Context, check Check) {
	t.f.mu.Lock()
	before, dialFailures, redial := t.state, t.dialFailures, t.redial
	t.urgent, t.redial = false, false
	t.f.mu.Unlock()
	if redial {
		check.Close()
	}
	limited, cancel := context.WithTimeout(ctx, t.f.config.Timing.Check)
	err := check.Check(limited)
	cancel()

	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	switch {
	case ctx.Err() != nil || isOurs(err):
	case err != nil:
		t.failures++
		t.enter(t.state.afterFailedCheck(), err)
		if t.state == StateDown && before != StateHealthy && isSilent(err) && t.f.serves(t) {
			t.abortLinks()
		}
	case dialFailures == t.dialFailures:
		t.failures = 0
		t.enter(StateHealthy, nil)
	}
}

// serves is true if there is a healthy target other than t. The caller holds the lock.
func (f *Forwarder) serves(t *target) bool {
	return slices.ContainsFunc(f.targets, func(other *target) bool { return other != t && other.state == StateHealthy })
}

// pause is the time from the beginning of one check to the next.
func (t *target) pause() time.Duration {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	switch timing := t.f.config.Timing; {
	case t.urgent || t.state == StateSuspect:
		return timing.Quick
	case t.state == StateDown:
		return timing.afterFailures(t.failures)
	case len(t.links) > 0:
		return timing.Period
	default:
		return timing.Idle
	}
}

// wakeUp has the time of the next check computed anew.
func (t *target) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// dialed draws the conclusions from a client's dial, or one that failed.
func (t *target) dialed(err error) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	switch {
	case t.state == StateDraining || t.state == StateRemoved || err != nil && isOurs(err):
		return
	case err != nil:
		t.dialFailures++
		t.urgent, t.redial = t.state != StateDown, true
		t.enter(StateDown, err)
	case t.state == StateDown:
		t.urgent = true // it may be back
	default:
		return
	}
	t.wakeUp()
}

// enter changes the state, if it is another, and tells of it. The caller holds the lock.
func (t *target) enter(state State, err error) {
	if err != nil {
		t.lastError = err.Error()
	}
	if state == t.state || t.state == StateRemoved || t.state == StateDraining && state != StateRemoved {
		return
	}
	t.state, t.since = state, time.Now()
	log := t.f.log.With("target", t.Name, "address", t.Address, "connections", len(t.links))
	if err != nil {
		log.Warn("target is "+string(state), "err", err)
	} else {
		log.Info("target is " + string(state))
	}
	if t.f.config.OnChange != nil {
		t.f.config.OnChange(t.snapshot())
	}
}

// snapshot is what is known of the target. The caller holds the lock.
func (t *target) snapshot() Health {
	return Health{Target: t.Target, State: t.state, Since: t.since, LastError: t.lastError, Connections: len(t.links)}
}

// abortLinks resets all connections. The caller holds the lock.
func (t *target) abortLinks() {
	for l := range t.links {
		l.abort()
	}
}

// sweep resets the connections that have lost one of their ends.
func (t *target) sweep() {
	t.f.mu.Lock()
	var links []*link
	for l := range t.links {
		if l.upstream != nil {
			links = append(links, l)
		}
	}
	t.f.mu.Unlock()
	for _, l := range links {
		if l.lost(t.f.config.lost) {
			l.abort()
		}
	}
}

// pick chooses a target for a connection, and counts it there: the best state, then the fewest connections, then
// the one that was picked longest ago. It returns nil if all have been tried.
func (f *Forwarder) pick(l *link, tried []*target) *target {
	f.mu.Lock()
	defer f.mu.Unlock()
	var best *target
	for _, t := range f.targets {
		if !slices.Contains(tried, t) && (best == nil || t.isBetter(best)) {
			best = t
		}
	}
	if best != nil {
		f.picks++
		best.picked = f.picks
		best.links[l] = struct{}{}
		if len(best.links) == 1 {
			best.wakeUp() // it is no longer idle
		}
	}
	return best
}

func (t *target) isBetter(other *target) bool {
	if a, b := t.state.rank(), other.state.rank(); a != b {
		return a < b
	}
	if a, b := len(t.links), len(other.links); a != b {
		return a < b
	}
	return t.picked < other.picked
}

// release forgets a connection.
func (f *Forwarder) release(t *target, l *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(t.links, l)
	if t.state == StateDraining && len(t.links) == 0 {
		t.drain.Stop()
		f.leaving = slices.DeleteFunc(f.leaving, func(other *target) bool { return other == t })
		t.enter(StateRemoved, nil)
	}
}

var _ Dial = (*target)(nil).dialToCheck

// dial connects to the target for a client.
func (t *target) dial(ctx context.Context) (*net.TCPConn, error) {
	conn, err := t.connect(ctx)
	t.dialed(err)
	return conn, err
}

// dialToCheck connects to the target for its own check. That the connection is taken proves nothing, because the kernel
// takes it for a server that is frozen as well: the check's answer does.
func (t *target) dialToCheck(ctx context.Context) (*net.TCPConn, error) {
	conn, err := t.connect(ctx)
	if err != nil {
		t.dialed(err)
	}
	return conn, err
}
