package forward

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// keepAlive ends an idle connection whose other end has gone without a word, 30 s after the last sign of it. It is the
// kernel's work: nothing of ours wakes up for it.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// connect tries the addresses that the target has now, one after the other. Each gets its share of the time. Go sets
// TCP_NODELAY on all connections.
func (t *target) connect(ctx context.Context) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.f.config.Timing.Dial)
	defer cancel()
	host, port, err := splitAddress(t.Address)
	if err != nil {
		return nil, err
	}
	addresses, err := t.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	dialer := net.Dialer{KeepAliveConfig: keepAlive}
	for i, address := range addresses {
		dialer.Timeout = time.Until(deadline) / time.Duration(len(addresses)-i)
		var conn net.Conn
		conn, err = dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(address, port).String())
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
	}
	return nil, err
}

func splitAddress(address string) (string, uint16, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("address %s: %q is no port number", address, service)
	}
	return host, uint16(port), nil
}

// resolve returns the addresses of the target's host, at least one: the last known ones if the resolver has none, or
// takes too long. Then it is not asked again for a while, because every connection would wait for it.
func (t *target) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	t.f.mu.Lock()
	known, askAgain := t.known, t.askAgain
	t.f.mu.Unlock()
	if len(known) > 0 {
		if time.Now().Before(askAgain) {
			return known, nil
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.f.config.Timing.Resolve)
		defer cancel()
	}
	addresses, err := t.f.config.Resolve(ctx, host)
	slow := ctx.Err() != nil
	if err == nil && len(addresses) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	switch {
	case err == nil:
		t.known = addresses
		return addresses, nil
	case len(known) == 0:
		return nil, err
	case slow:
		t.askAgain = time.Now().Add(t.f.config.Idle)
	}
	return known, nil
}
