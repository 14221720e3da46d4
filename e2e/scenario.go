//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// eventually is how long a state may take to come true. It is generous: a limit that is reached means that
// something is broken, not that the machine is slow.
const eventually = 2 * time.Minute

// Scenario is a test that proves an obligation.
type Scenario struct {
	*testing.T
	started time.Time
}

// New starts a scenario. The obligation is one sentence that says what users may rely on.
func New(t *testing.T, obligation string) *Scenario {
	t.Helper()
	t.Logf("obligation: %s", obligation)
	return &Scenario{T: t, started: time.Now()}
}

// Step says what the scenario does next, as a sentence; a failure is to be read after the last of them.
func (s *Scenario) Step(format string, args ...any) {
	s.Helper()
	s.Logf("%6.1fs  %s", time.Since(s.started).Seconds(), fmt.Sprintf(format, args...))
}

// Eventually waits until check returns nil. If that does not happen, the scenario fails and says what was waited
// for and what check said last.
func (s *Scenario) Eventually(what string, check func(ctx context.Context) error) {
	s.Helper()
	s.EventuallyWithin(eventually, what, check)
}

// EventuallyWithin is [Scenario.Eventually] with another limit, for what takes long by design.
func (s *Scenario) EventuallyWithin(limit time.Duration, what string, check func(ctx context.Context) error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil || last == nil { // the end of the wait is not a cause
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.Fatalf("waited %s in vain: %s\nlast cause: %v", limit, what, last)
		}
	}
}

// Must fails the scenario on an error.
func (s *Scenario) Must(err error, format string, args ...any) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// Start starts a command beside the scenario and ends it with it.
func (s *Scenario) Start(env []string, args ...string) *Process {
	s.Helper()
	p, err := command{env: env, args: args}.start(s.Context())
	s.Must(err, "start %v", args)
	s.Cleanup(p.stop)
	return p
}

// Docker runs docker and returns its output.
func (s *Scenario) Docker(args ...string) string {
	s.Helper()
	r := dockerRun(args...)
	if r.Code != 0 {
		s.Fatalf("%s", r)
	}
	return r.Stdout
}
