package balancer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skiff-cluster/skiff/internal/node/forward"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// names is DNS: addresses by name, as "10.0.0.2 10.0.0.3"; a name that is not there, or "?", fails.
type names struct {
	mu    sync.Mutex
	known map[string]string
	asked int
}

func (n *names) set(name, addresses string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[name] = addresses
}

func (n *names) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	addresses, ok := n.known[host]
	if !ok || addresses == "?" {
		return nil, errors.New("no such host")
	}
	var list []netip.Addr
	for _, a := range strings.Fields(addresses) {
		list = append(list, netip.MustParseAddr(a))
	}
	return list, nil
}

// TestFind follows what DNS says, and keeps what is known when it says nothing.
func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &names{known: map[string]string{}}
		b := &balancer{Config: Config{Lookup: dns.lookup, Servers: []string{"server-1", "server-2"}}}
		f := forward.New(forward.Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.find(ctx, f)
		known := func() string {
			synctest.Wait()
			var list []string
			for _, h := range f.Health() {
				list = append(list, h.Name)
			}
			return strings.Join(list, " ")
		}
		for _, step := range []struct {
			name, addresses string
			after           time.Duration
			want            string
		}{
			{nodeapi.ServersAlias, "?", 0, ""},
			{nodeapi.ServersAlias, "", firstLookupPeriod, ""},
			{nodeapi.ServersAlias, "10.0.0.3 10.0.0.2", firstLookupPeriod, "10.0.0.2 10.0.0.3"}, // soon, while there is none
			{nodeapi.ServersAlias, "10.0.0.2", lookupPeriod - time.Millisecond, "10.0.0.2 10.0.0.3"},
			{nodeapi.ServersAlias, "10.0.0.2", time.Millisecond, "10.0.0.2"},
			{nodeapi.ServersAlias, "?", lookupPeriod, "10.0.0.2"},
			{nodeapi.ServersAlias, "", 10 * lookupPeriod, "10.0.0.2"},
			{nodeapi.ServersAlias, "10.0.0.4", lookupPeriod, "10.0.0.4"},
			{nodeapi.ServersAlias, "::ffff:10.0.0.4 fd00::2", lookupPeriod, "10.0.0.4 fd00::2"},
			{nodeapi.ServersAlias, "10.0.0.2", lookupPeriod, "10.0.0.2"},
			// One that has lost the common name is found by its own.
			{"server-1", "10.0.0.2", lookupPeriod, "10.0.0.2"},
			{"server-2", "10.0.0.3", lookupPeriod, "10.0.0.2 10.0.0.3"},
			{nodeapi.ServersAlias, "?", lookupPeriod, "10.0.0.2 10.0.0.3"},
			// One server of two answers to the common name, with the addresses of both families.
			{nodeapi.ServersAlias, "10.0.0.2 fd00::2", lookupPeriod, "10.0.0.2 10.0.0.3 fd00::2"},
		} {
			dns.set(step.name, step.addresses)
			time.Sleep(step.after)
			if got := known(); got != step.want {
				t.Errorf("%s is %q: after %s there is %q, want %q", step.name, step.addresses, step.after, got, step.want)
			}
		}
		dns.set(nodeapi.ServersAlias, "10.0.0.2 10.0.0.3")
		time.Sleep(lookupPeriod)
		synctest.Wait()
		asked := dns.asked
		time.Sleep(lookupPeriod)
		if synctest.Wait(); dns.asked != asked+1 {
			t.Errorf("%d questions in one period", dns.asked-asked)
		}
	})
}

// TestFindByNamesOnly begins when the only server has lost the common name, as after it was connected to the network
// again.
func TestFindByNamesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &names{known: map[string]string{}}
		b := &balancer{Config: Config{Lookup: dns.lookup, Servers: []string{"server-1"}}}
		f := forward.New(forward.Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.find(ctx, f)
		synctest.Wait()
		if known := f.Health(); len(known) > 0 {
			t.Errorf("nobody runs, and there is %v", known)
		}
		dns.set("server-1", "10.0.0.2")
		time.Sleep(firstLookupPeriod)
		synctest.Wait()
		if known := f.Health(); len(known) != 1 || known[0].Name != "10.0.0.2" {
			t.Errorf("there is %v", known)
		}
	})
}

// TestSilentDNS does not wait longer than it must for one that does not answer.
func TestSilentDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &balancer{Config: Config{Lookup: func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}}
		began := time.Now()
		if found := b.lookup(t.Context(), "a", "b"); len(found) > 0 || time.Since(began) != lookupTimeout {
			t.Errorf("%v after %s", found, time.Since(began))
		}
	})
}

// TestDescribe says what is waited for before anything is known.
func TestDescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Component(Config{Name: "edge", CAFile: "/nonexistent"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Ready(ctx)
		if err == nil || err.Error() != "waited for an API server that is ready; no server is known by the name servers.skiff" {
			t.Errorf("%v", err)
		}
		if err := c.Runner.Run(t.Context(), nil); err == nil {
			t.Error("it runs without a certificate")
		}
	})
}
