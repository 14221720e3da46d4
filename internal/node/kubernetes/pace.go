package kubernetes

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A node spends memory while it has work, and saves it, and CPU, at rest: collecting garbage at Go's usual pace takes a
// fifth of the CPU of a start, or of a hundred pods, and an idle node costs its owner memory most.
const (
	// workGCPercent lets the heap grow. With 400, what lives lay so scattered afterwards that an idle node kept 25 MiB more.
	workGCPercent = 200
	// restGCPercent collects 30 MB at a time, which an idle node takes most of a minute to make.
	restGCPercent = 25
	// workTimerSlack is Linux' default.
	workTimerSlack = 50 * time.Microsecond
	// restTimerSlack is how late the timers of a process at rest may be, so that one wake-up does for several. Upstream's
	// components have some 400 timers a second, each of which would wake a CPU for a few microseconds of work. Whatever
	// happens, as opposed to falls due, is not late: a request, a change, the end of a process.
	restTimerSlack = 50 * time.Millisecond
	// settleTime is how long it takes without work until a process is at rest.
	settleTime = 10 * time.Second
	// workRate is an idle node's rate of allocation five times over, in bytes per second.
	workRate = 3 << 20
	// leastAllocated, in bytes, is less than is ever allocated between two collections, unless one was forced.
	leastAllocated = 8 << 20
	// worthTidying is how many bytes were allocated before what is free goes back to the system.
	worthTidying = 64 << 20
)

// pace knows whether the process has work: it starts, or a pod of this node changes, or much is allocated.
type pace struct {
	setGCPercent func(int) int
	tidy         func()
	setSlack     func(time.Duration) error

	resting bool
	// moved is true if a pod changed since the last look.
	moved bool
	// seen is what was allocated at the last look, or collection; tidied is what was when the heap was last tidied.
	seen, tidied allocation
}

func newPace() *pace {
	p := &pace{setGCPercent: debug.SetGCPercent, tidy: debug.FreeOSMemory, setSlack: setTimerSlack}
	if os.Getenv("GOGC") != "" { // it is obeyed instead
		p.setGCPercent, p.tidy = func(int) int { return 0 }, func() {}
	}
	return p
}

// keep adapts the process until ctx ends: to its start until ready is closed, then to its work. follow calls a function
// for each change of a pod of this node, until its context ends.
func (p *pace) keep(ctx context.Context, ready <-chan struct{}, follow func(context.Context, func()) error) error {
	p.setGCPercent(workGCPercent)
	select {
	case <-ready:
	case <-ctx.Done():
		return nil
	}
	p.seen = measure()
	moved, collected := make(chan struct{}, 1), collections(ctx)
	followed := make(chan error, 1)
	go func() { followed <- follow(ctx, func() { tell(moved) }) }()
	look := time.NewTicker(settleTime)
	defer look.Stop()
	for {
		woke := false
		select {
		case <-moved:
			woke = p.podMoved()
		case <-collected:
			woke = p.collected(measure())
		case <-look.C:
			p.look(measure())
		case err := <-followed:
			return err
		}
		if woke {
			look.Reset(settleTime)
		}
	}
}

// podMoved is told of a change of a pod, and returns true if that ended the rest.
func (p *pace) podMoved() bool {
	p.moved = true
	return p.work()
}

// collected is told that garbage was collected, and returns true if so much was allocated that the rest ended.
func (p *pace) collected(now allocation) bool {
	works := now.works(p.seen)
	if now.bytes-p.seen.bytes >= leastAllocated {
		p.seen = now
	}
	return works && p.work()
}

// look lets the process rest if there was no work since the last look.
func (p *pace) look(now allocation) {
	if !p.resting && !p.moved && !now.works(p.seen) {
		p.rest(now)
	}
	p.moved, p.seen = false, now
}

func (p *pace) work() bool {
	if !p.resting {
		return false
	}
	p.resting = false
	p.setGCPercent(workGCPercent)
	p.slack(workTimerSlack)
	return true
}

func (p *pace) rest(now allocation) {
	p.resting = true
	p.setGCPercent(restGCPercent)
	if now.bytes-p.tidied.bytes >= worthTidying {
		p.tidy()
		p.tidied = now
	}
	p.slack(restTimerSlack)
}

func (p *pace) slack(d time.Duration) {
	if err := p.setSlack(d); err != nil {
		fmt.Fprintln(os.Stderr, "an idle node uses more CPU than it need:", err)
		p.setSlack = func(time.Duration) error { return nil }
	}
}

// allocation is how many bytes the process had allocated at some time.
type allocation struct {
	at    time.Time
	bytes uint64
}

func measure() allocation {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return allocation{time.Now(), sample[0].Value.Uint64()}
}

// works is true if more was allocated since before than by a process at rest.
func (a allocation) works(before allocation) bool {
	bytes := a.bytes - before.bytes
	return bytes >= leastAllocated && float64(bytes) > workRate*a.at.Sub(before.at).Seconds()
}

// collections tells of each collection of garbage, until ctx ends. It hears of them by an object that is garbage every
// time: the runtime has no other way to wait for one.
func collections(ctx context.Context) <-chan struct{} {
	told := make(chan struct{}, 1)
	var buried func(*canary)
	buried = func(c *canary) {
		if ctx.Err() == nil {
			tell(told)
			runtime.SetFinalizer(c, buried)
		}
	}
	runtime.SetFinalizer(&canary{}, buried)
	return told
}

// canary has a pointer, because small objects without one share their place with others, which may live.
type canary struct{ _ *canary }

// tell sends, unless the last has not been heard of yet.
func tell(told chan<- struct{}) {
	select {
	case told <- struct{}{}:
	default:
	}
}

// setTimerSlack sets the timer slack of all threads of the process, and so of those that they will start (prctl(2),
// PR_SET_TIMERSLACK).
func setTimerSlack(d time.Duration) error {
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, uintptr(d), 0); errno != 0 {
		return fmt.Errorf("set the timer slack: %w", errno)
	}
	return nil
}

// limitMemory makes the collection of garbage stricter as the heap comes near to more than half of the node's size, 0
// for the host's: a heap that grows on would have the kernel end this process, or a pod.
func limitMemory(nodeSize int64) {
	if nodeSize > 0 {
		debug.SetMemoryLimit(nodeSize / 10 * 6)
	}
}
