// Package balancer is the one address behind which all API servers of a cluster are: on an agent for the components
// there, and in an edge for clients on the host. It finds the servers by the name under which Docker's embedded DNS
// knows those that run, so that nobody has to tell it when one is added, removed, stopped or started.
package balancer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/node/forward"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Config is what a balancer is made of.
type Config struct {
	// Name is the component's.
	Name string
	// Listen is where clients connect.
	Listen netip.AddrPort
	// CAFile is the certificate of the cluster's authority, by which an API server is known.
	CAFile string
	// Servers are names of servers that are looked for as well: one that was cut off from the network and connected again
	// may have lost the name that it shares with the others.
	Servers []string
	// Log receives what changes, as text lines.
	Log io.Writer
	// Lookup returns the addresses of a name; nil asks the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

const (
	// lookupPeriod is the time between two looks for servers that came or went: Docker's DNS has no event for it. A
	// server that went is noticed at once by those who talk to it.
	lookupPeriod = 5 * time.Second
	// firstLookupPeriod is the same until a server was found.
	firstLookupPeriod = 100 * time.Millisecond
	// lookupTimeout bounds one look.
	lookupTimeout = 2 * time.Second
)

// Component serves until it is stopped. It listens at once, and lets clients wait in the kernel's queue until it knows
// an API server that is ready: nobody is refused while a cluster starts.
func Component(cfg Config) supervise.Component {
	b := &balancer{Config: cfg, serving: make(chan struct{})}
	if b.Lookup == nil {
		b.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return supervise.Component{
		Name:    cfg.Name,
		Runner:  supervise.Func(b.run),
		Ready:   b.awaitServer,
		Healthy: b.healthy,
	}
}

type balancer struct {
	Config

	mu      sync.Mutex
	forward *forward.Forwarder
	// serving is closed when a server was found to be ready, and replaced when the balancer is started again.
	serving chan struct{}
}

func (b *balancer) run(ctx context.Context) error {
	pem, err := os.ReadFile(b.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", b.CAFile)
	}
	listener, err := net.Listen("tcp", b.Listen.String())
	if err != nil {
		return err
	}
	serving := make(chan struct{})
	var once sync.Once
	f := forward.New(forward.Config{
		Name:  b.Name,
		Check: forward.HTTPS("/readyz", "kubernetes", roots),
		OnChange: func(h forward.Health) {
			if h.State == forward.StateHealthy {
				once.Do(func() { close(serving) })
			}
		},
		Log: slog.New(slog.NewTextHandler(b.Log, nil)),
	})
	b.set(f, serving)
	defer b.set(f, make(chan struct{})) // who waits for the next run must not find this one ready

	var finding sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer finding.Wait()
	defer cancel()
	finding.Go(func() { b.find(ctx, f) })
	return f.Serve(ctx, &patient{Listener: listener, open: serving, closed: make(chan struct{})})
}

func (b *balancer) set(f *forward.Forwarder, serving chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forward, b.serving = f, serving
}

// patient is a listener at which clients wait in the kernel's queue until it is opened.
type patient struct {
	net.Listener
	open      <-chan struct{}
	closed    chan struct{}
	closeOnce sync.Once
}

// Accept implements net.Listener.
func (p *patient) Accept() (net.Conn, error) {
	select {
	case <-p.open:
		return p.Listener.Accept()
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *patient) Close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	return p.Listener.Close()
}

// find keeps the forwarder's targets as DNS has them. When it has none, or does not answer, those that are known stay:
// a server that is stopped may be started again before anybody looks.
func (b *balancer) find(ctx context.Context, f *forward.Forwarder) {
	var known []netip.Addr
	for {
		found := b.lookup(ctx, nodeapi.ServersAlias)
		// While a cluster starts, one server will do: those that do not run yet may take DNS long not to find.
		if len(found) == 0 || len(known) > 0 && servers(found) < len(b.Servers) {
			found = append(found, b.lookup(ctx, b.Servers...)...)
		}
		slices.SortFunc(found, netip.Addr.Compare)
		found = slices.Compact(found)
		if len(found) > 0 && !slices.Equal(found, known) {
			known = found
			f.SetTargets(targets(known))
		}
		period := lookupPeriod
		if len(known) == 0 {
			period = firstLookupPeriod
		}
		select {
		case <-time.After(period):
		case <-ctx.Done():
			return
		}
	}
}

// servers is how many servers have some addresses: with two IP families each has two.
func servers(addresses []netip.Addr) int {
	is4 := 0
	for _, a := range addresses {
		if a.Unmap().Is4() {
			is4++
		}
	}
	return max(is4, len(addresses)-is4)
}

// lookup returns the addresses of all of some names that have any.
func (b *balancer) lookup(ctx context.Context, names ...string) []netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var all []netip.Addr
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, name := range names {
		asking.Go(func() {
			found, err := b.Lookup(ctx, name)
			if err != nil {
				return // it does not run, or nobody knows
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, found...)
		})
	}
	asking.Wait()
	return all
}

func targets(servers []netip.Addr) []forward.Target {
	var list []forward.Target
	for _, a := range servers {
		address := net.JoinHostPort(a.Unmap().String(), strconv.Itoa(nodeapi.APIServerPort))
		list = append(list, forward.Target{Name: a.Unmap().String(), Address: address})
	}
	return list
}

// awaitServer waits until an API server is ready.
func (b *balancer) awaitServer(ctx context.Context) error {
	for {
		b.mu.Lock()
		serving := b.serving
		b.mu.Unlock()
		select {
		case <-serving:
			return nil
		case <-ctx.Done():
			return errors.New("waited for an API server that is ready; " + b.describe())
		case <-time.After(firstLookupPeriod): // it may have been started again
		}
	}
}

// healthy fails if no API server is ready.
func (b *balancer) healthy(context.Context) error {
	b.mu.Lock()
	f := b.forward
	b.mu.Unlock()
	for _, h := range f.Health() {
		if h.State == forward.StateHealthy || h.State == forward.StateSuspect {
			return nil
		}
	}
	return errors.New("no API server is ready: " + b.describe())
}

// describe is the state of each server that is known.
func (b *balancer) describe() string {
	b.mu.Lock()
	f := b.forward
	b.mu.Unlock()
	var parts []string
	if f != nil {
		for _, h := range f.Health() {
			part := fmt.Sprintf("%s is %s", h.Name, h.State)
			if h.LastError != "" {
				part += " (" + h.LastError + ")"
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "no server is known by the name " + nodeapi.ServersAlias
	}
	return strings.Join(parts, ", ")
}
