package kubernetes

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A node spends memory while it has work, and saves it at rest: collecting garbage at Go's usual pace takes a fifth of the
// CPU of a start, or of a hundred pods, and an idle node costs its owner memory most.
const (
	// workGCPercent lets the heap grow to three times what lives, as long as there is work. With 400, what lives lay so
	// scattered afterwards that an idle node kept 25 MiB more.
	workGCPercent = 200
	// restGCPercent collects 30 MB at a time, which an idle node takes most of a minute to make. Less would cost it more CPU
	// than it saves memory.
	restGCPercent = 20
	// workRate is an idle node's rate of allocation five times over, in bytes per second. Below half of it a node rests.
	workRate = 3 << 20
	// lookInterval is how often it is looked how much was allocated. Work is noticed earlier, by its garbage.
	lookInterval = 10 * time.Second
	// leastAllocated, in bytes, is less than is ever allocated between two collections, unless one was forced.
	leastAllocated = 8 << 20
	// worthTidying is how many bytes were allocated before what is free goes back to the system.
	worthTidying = 64 << 20
)

// pace is how garbage is collected, by whether the process has work: it starts, or allocates much.
type pace struct {
	setGCPercent func(int) int
	tidy         func()
	measure      func() allocation

	resting bool
	// What was allocated at the last look, at the last collection that was not forced or the begin of the rest if that was
	// later, and when the heap was last tidied.
	looked, collectedAt, tidied allocation
}

// keepPace adapts the collection of garbage until ctx ends: to the start until ready is closed, then to the work that there
// is. A GOGC in the environment is obeyed instead.
func keepPace(ctx context.Context, ready <-chan struct{}) {
	if os.Getenv("GOGC") != "" {
		return
	}
	p := &pace{setGCPercent: debug.SetGCPercent, tidy: debug.FreeOSMemory, measure: measure}
	p.setGCPercent(workGCPercent)
	select {
	case <-ready:
	case <-ctx.Done():
		return
	}
	p.keep(ctx, collections(ctx))
}

// keep looks at what is allocated in intervals, and at each collection, until ctx ends.
func (p *pace) keep(ctx context.Context, collections <-chan struct{}) {
	p.looked = p.measure()
	p.collectedAt = p.looked
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case <-collections:
			if p.collected(p.measure()) {
				look.Reset(lookInterval)
			}
		case <-look.C:
			p.look(p.measure())
		case <-ctx.Done():
			return
		}
	}
}

// collected is told that garbage was collected, and returns true if there was so much that the rest ended.
func (p *pace) collected(now allocation) bool {
	if now.bytes-p.collectedAt.bytes < leastAllocated {
		return false
	}
	works := now.rate(p.collectedAt) > workRate
	p.collectedAt = now
	if !p.resting || !works {
		return false
	}
	p.work(now)
	return true
}

// look lets the process work, or rest, by what it allocated since the last look.
func (p *pace) look(now allocation) {
	rate := now.rate(p.looked)
	p.looked = now
	switch {
	case p.resting && rate > workRate:
		p.work(now)
	case !p.resting && rate < workRate/2:
		p.rest(now)
	}
}

func (p *pace) work(now allocation) {
	p.resting, p.looked = false, now
	p.setGCPercent(workGCPercent)
}

func (p *pace) rest(now allocation) {
	p.resting, p.collectedAt = true, now // the garbage of the work is not the rest's
	p.setGCPercent(restGCPercent)
	if now.bytes-p.tidied.bytes >= worthTidying {
		p.tidy()
		p.tidied = now
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

// rate is how much was allocated since before, in bytes per second.
func (a allocation) rate(before allocation) float64 {
	return float64(a.bytes-before.bytes) / a.at.Sub(before.at).Seconds()
}

// collections tells of each collection of garbage, until ctx ends. It hears of them by an object that is garbage every
// time: the runtime has no other way to wait for one.
func collections(ctx context.Context) <-chan struct{} {
	told := make(chan struct{}, 1)
	var buried func(*canary)
	buried = func(*canary) {
		if ctx.Err() != nil {
			return
		}
		runtime.SetFinalizer(&canary{}, buried) // first: whoever hears of this collection may wait for the next
		select {
		case told <- struct{}{}:
		default: // the last has not been heard of yet
		}
	}
	runtime.SetFinalizer(&canary{}, buried)
	return told
}

// canary has a pointer, because small objects without one share their place with others, which may live.
type canary struct{ _ *canary }

// limitMemory makes the collection of garbage stricter as the heap comes near to more than half of the node's size, 0
// for the host's: a heap that grows on would have the kernel end this process, or a pod.
func limitMemory(nodeSize int64) {
	if nodeSize > 0 {
		debug.SetMemoryLimit(nodeSize / 10 * 6)
	}
}
