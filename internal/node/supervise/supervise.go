// Package supervise starts components in the order of their dependencies, keeps them running, stops them in
// reverse, and tells what each of them is doing. It knows nothing of Kubernetes. Four layers:
//
//	Component   what is to run, and how to tell that it serves
//	Runner      how it runs: a goroutine or a child process
//	Restart     what happens when it ends
//	Manager     all of them together
package supervise

import (
	"context"
	"os"
	"time"
)

// Component is one supervised part of a node. Its life is the diagram at [nodeapi.State].
type Component struct {
	// Name is unique in its Manager, lower case with hyphens.
	Name string
	// DependsOn names components of the same Manager that must be ready before this one starts.
	DependsOn []string
	Runner    Runner
	// Ready waits until the component serves. If ctx ends first it returns what it was waiting for; this is
	// shown, and it is called again. Any other error fails the component. nil: ready once it was started.
	Ready func(ctx context.Context) error
	// Healthy is one probe of a component that was ready, run every HealthEvery. nil: healthy while it runs.
	Healthy func(ctx context.Context) error
	// HealthEvery is the pause between two probes of a component that is healthy. 0: 10 s. One that is not is asked
	// every 2 s, or as often as that if it is shorter.
	HealthEvery time.Duration
	// Restart says what happens when the Runner ends without being asked to.
	Restart Restart
	// StopTime is how long the Runner may take to return once it was asked to; then nobody waits for it any
	// longer. 0: for a Process what its Grace implies, 5 s for others.
	StopTime time.Duration
	// Version is reported in the status, "" if it has none of its own.
	Version string
}

// Runner runs a component once: until ctx is cancelled (it then stops orderly and returns nil or ctx's
// error) or until it fails. log receives what it says.
type Runner interface {
	Run(ctx context.Context, log *LogRing) error
}

// startReporter is a Runner whose start takes a while, can fail, and makes a process.
type startReporter interface {
	runReporting(ctx context.Context, log *LogRing, started func(pid int)) error
}

// slowStopper is a Runner that knows how long it may take to end.
type slowStopper interface{ stopTime() time.Duration }

// Func is a Runner that runs in this process. A component whose code cannot be run twice in one process
// (most of upstream's: they register global metrics) needs a Restart with GiveUpAfter 1.
type Func func(ctx context.Context) error

// Run calls f.
func (f Func) Run(ctx context.Context, _ *LogRing) error { return f(ctx) }

// run runs r, and calls started with the process that hosts it once that is known.
func run(ctx context.Context, r Runner, log *LogRing, started func(pid int)) error {
	if reporter, ok := r.(startReporter); ok {
		return reporter.runReporting(ctx, log, started)
	}
	started(os.Getpid())
	return r.Run(ctx, log)
}

// defaultStopTime is how long a Runner in this process may take to return.
const defaultStopTime = 5 * time.Second

// stopTime is how long the component's Runner may take to return.
func (c *Component) stopTime() time.Duration {
	if slow, ok := c.Runner.(slowStopper); ok && c.StopTime <= 0 {
		return slow.stopTime()
	}
	return orDefault(c.StopTime, defaultStopTime)
}
