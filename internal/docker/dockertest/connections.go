package dockertest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// Listen is what other containers of the same network send to one of the container's ports; see [Process.Dial]. It is
// closed when the container ends.
func (p *Process) Listen(port uint16) net.Listener {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	l := &inner{conns: make(chan net.Conn), closed: make(chan struct{})}
	if p.c.process != p {
		_ = l.Close()
	}
	p.inner[port] = l
	return freezable{l, p}
}

// Dial connects to a running container of the same network by one of its fixed addresses. Nothing passes through the
// host's network: a connection is a pipe.
func (p *Process) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	l := p.engine.listener(p.Spec.Network, to)
	if l == nil {
		return nil, fmt.Errorf("dial %s: nobody listens there", to)
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", to)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listener finds who listens on an address of a network; nil if nobody does.
func (e *Engine) listener(network string, at netip.AddrPort) *inner {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		if c.process == nil || c.spec.Network != network {
			continue
		}
		for _, address := range c.addresses() {
			if address == at.Addr() {
				return c.process.inner[at.Port()]
			}
		}
	}
	return nil
}

// inner is a listener on a container's own address.
type inner struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *inner) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *inner) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *inner) Addr() net.Addr { return &net.IPAddr{} }
