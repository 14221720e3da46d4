// Package forward is a layer-4 forwarder: it accepts TCP connections and passes each on to one of several targets
// that serve the same thing, and knows which of them do. The edge container is one, in front of all API servers for
// the host; on an agent one is the API server's address for the components there.
//
//	f := forward.New(forward.Config{Name: "edge", Check: forward.HTTPS("/readyz", "kubernetes", roots)})
//	f.SetTargets([]forward.Target{{Name: "server-1", Address: "skiff-demo-server-1:6443"}, …})
//	err := f.Serve(ctx, listener)
//
// One Forwarder is one set of targets; it may serve several listeners, and a program may have several Forwarders.
//
// # What a client sees
//
// A server that is stopped or killed: nothing, if the client connects afterwards; its open connections end as if there
// were no forwarder (an orderly end stays orderly, a reset stays a reset). A server that is frozen or cut off from the
// network: a connection made afterwards is delayed by [Timing.Dial] at most once per such server; open connections are
// reset within about [Timing.Period] + 2 × [Timing.Check], 5 s, instead of hanging for minutes, and the next attempt
// goes elsewhere: client-go makes it by itself for GET and for watches. Nothing is reset if there is no healthy server to
// go to.
//
// # How it finds out
//
// Each target has one goroutine that runs its [Check] every [Timing.Period] while it has connections, every
// [Timing.Idle] while it has none. [HTTPS] keeps one connection open, so that such a check is a write and a read. Dials
// for clients count as well: a server that refuses is out with the first of them. The life of a target is drawn at
// [State]. When no target is healthy they are all tried: the checks may be wrong, and a client has no better choice.
//
// Below the checks there is a second net, for what they cannot see: a connection to an address that a restarted server
// no longer has, or from a client that vanished. TCP keep-alive ends an idle one after 30 s, and one whose data nobody
// has acknowledged is ended after 13 s or more (see lostRetransmits). It is not TCP_USER_TIMEOUT, because that also ends
// connections whose reader only pauses, such as kubectl logs in a stopped terminal.
//
// # Names
//
// A target's host is resolved at every dial, because a container may come back with another address. A resolver that
// fails or is slow does not matter once an address is known: the last one is used.
//
// # Cost
//
// A connection costs two file descriptors, two goroutines, and no buffer while nothing is sent (see pump). The number
// of connections is limited, to [Config.Limit]; whoever comes when it is reached waits in the kernel's queue.
package forward

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Target is one of the servers that connections are forwarded to.
type Target struct {
	// Name is for people.
	Name string `json:"name"`
	// Address is host and port. The host is a name or an IP address.
	Address string `json:"address"`
}

// Config is what a Forwarder is made of. Its zero value is usable.
type Config struct {
	// Name is the component in the log, "forward" if empty.
	Name string
	// Check makes the health check of a target; nil is [TCP].
	Check NewCheck
	// Limit is the number of connections at one time, over all listeners; 4096 if zero. An idle one takes about 20 KiB,
	// a third of it the kernel's.
	Limit int
	// OnChange is told of every change of a target's state, in order, the last being [StateRemoved]. It must return soon
	// and not call the Forwarder. It may be nil.
	OnChange func(Health)
	// Resolve returns the addresses of a host. It must return soon after ctx ended. nil is the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Log receives changes of state only; nil is slog's default.
	Log *slog.Logger
	Timing

	lost int // see lostRetransmits
}

// Forwarder forwards connections to targets. Its methods may be called from several goroutines.
type Forwarder struct {
	config Config
	log    *slog.Logger
	slots  chan struct{} // one element per connection
	full   atomic.Bool   // whether the limit was reached, for the log

	mu      sync.Mutex
	targets []*target // in the order of SetTargets
	leaving []*target // removed, and have connections yet
	picks   int       // how often one was picked
	serving int       // how many calls of Serve there are
	// checks is the context of the checks, which run while there is a call of Serve; nil otherwise.
	checks     context.Context
	stopChecks context.CancelFunc
	running    sync.WaitGroup // the checks
}

// New returns a Forwarder without targets.
func New(config Config) *Forwarder {
	if config.Name == "" {
		config.Name = "forward"
	}
	if config.Check == nil {
		config.Check = TCP
	}
	if config.Limit <= 0 {
		config.Limit = 4096
	}
	if config.Resolve == nil {
		config.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.lost == 0 {
		config.lost = lostRetransmits
	}
	config.Timing = config.orDefault()
	return &Forwarder{
		config: config,
		log:    config.Log.With("component", config.Name),
		slots:  make(chan struct{}, config.Limit),
	}
}

// SetTargets replaces the targets. Those that are there already keep their state and connections; new ones get
// connections from now on. A target that is no longer named gets none, and those it has may last for [Timing.Drain].
// One whose address changed is another target.
func (f *Forwarder) SetTargets(targets []Target) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.targets
	f.targets = nil
	for _, wanted := range targets {
		same := func(t *target) bool { return t.Target == wanted }
		if slices.ContainsFunc(f.targets, same) {
			continue
		}
		if i := slices.IndexFunc(old, same); i >= 0 {
			f.targets = append(f.targets, old[i])
			old = slices.Delete(old, i, i+1)
			continue
		}
		t := newTarget(f, wanted)
		f.targets = append(f.targets, t)
		f.watch(t)
	}
	for _, t := range old {
		f.remove(t)
	}
}

// Health returns the state of all targets, in the order of SetTargets, then of those that are draining.
func (f *Forwarder) Health() []Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Health
	for _, t := range slices.Concat(f.targets, f.leaving) {
		all = append(all, t.snapshot())
	}
	return all
}

// remove lets a target's connections end. The caller holds the lock.
func (f *Forwarder) remove(t *target) {
	t.unwatch()
	if len(t.links) == 0 {
		t.enter(StateRemoved, nil)
		return
	}
	f.leaving = append(f.leaving, t)
	t.enter(StateDraining, nil)
	t.drain = time.AfterFunc(f.config.Drain, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		t.abortLinks()
	})
}

// watch starts a target's checks, if this is the time for it. The caller holds the lock.
func (f *Forwarder) watch(t *target) {
	if f.checks == nil {
		return
	}
	ctx, cancel := context.WithCancel(f.checks)
	t.unwatch = cancel
	f.running.Go(func() { t.watch(ctx) })
}

// begin starts the checks with the first call of Serve.
func (f *Forwarder) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.serving++; f.serving == 1 {
		f.checks, f.stopChecks = context.WithCancel(context.Background())
		for _, t := range f.targets {
			f.watch(t)
		}
	}
}

// end stops the checks with the last call of Serve, and waits until they have ended.
func (f *Forwarder) end() {
	f.mu.Lock()
	f.serving--
	last := f.serving == 0
	if last {
		f.stopChecks()
		f.checks = nil
	}
	f.mu.Unlock()
	if last {
		f.running.Wait()
	}
}
