package forward

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// acceptPause is how long to wait after this machine had not enough of something to accept a connection.
const acceptPause = 100 * time.Millisecond

// Serve forwards what connects to l, and closes l when ctx ends. Then connections may last for [Timing.Grace], are
// reset if they do longer, and nil is returned; nothing of it runs any longer. It may be called several times, at the
// same time too. l accepts TCP connections.
func (f *Forwarder) Serve(ctx context.Context, l net.Listener) error {
	f.begin()
	defer f.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	lasting, endAll := context.WithCancel(context.WithoutCancel(ctx))
	defer endAll()
	var links sync.WaitGroup
	err := f.accept(ctx, l, func(client *net.TCPConn) {
		links.Go(func() { f.forward(ctx, lasting, client) })
	})
	cancel()
	_ = l.Close()
	grace := time.AfterFunc(f.config.Grace, endAll)
	defer grace.Stop()
	links.Wait()
	return err
}

// accept calls handle with each connection, and returns when ctx ends or the listener fails.
func (f *Forwarder) accept(ctx context.Context, l net.Listener, handle func(*net.TCPConn)) error {
	starved := false
	for {
		conn, err := l.Accept()
		if err != nil {
			switch {
			case ctx.Err() != nil:
				return nil
			case !isOurs(err):
				return fmt.Errorf("accept on %s: %w", l.Addr(), err)
			case !starved:
				f.log.Warn("cannot accept connections", "err", err)
			}
			starved = true
			select {
			case <-time.After(acceptPause): // nobody tells when there is enough again
			case <-ctx.Done():
			}
			continue
		}
		starved = false
		client, ok := conn.(*net.TCPConn)
		if !ok {
			_ = conn.Close()
			return fmt.Errorf("%s accepts a %T, which is no TCP connection", l.Addr(), conn)
		}
		if !f.takeSlot(ctx) {
			reset(client)
			return nil
		}
		handle(client)
	}
}

// takeSlot waits until there may be one more connection, and is false if ctx ends first.
func (f *Forwarder) takeSlot(ctx context.Context) bool {
	select {
	case f.slots <- struct{}{}:
		return true
	default:
	}
	if !f.full.Swap(true) {
		f.log.Warn("connection limit reached", "limit", f.config.Limit)
	}
	select {
	case f.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// freeSlot ends what takeSlot began. The limit counts as reached until a quarter is free, so that the log is not filled
// by the last connection's coming and going.
func (f *Forwarder) freeSlot() {
	<-f.slots
	if len(f.slots) <= f.config.Limit*3/4 && f.full.Swap(false) {
		f.log.Info("connection limit no longer reached", "limit", f.config.Limit)
	}
}

// forward connects client to a target, trying one after the other until ctx ends, and relays until lasting ends. If no
// target can be reached it is reset, which clients take for something that may be tried again.
func (f *Forwarder) forward(ctx, lasting context.Context, client *net.TCPConn) {
	defer f.freeSlot()
	_ = client.SetKeepAliveConfig(keepAlive)
	l := &link{client: client}
	var tried []*target
	for ctx.Err() == nil {
		t := f.pick(l, tried)
		if t == nil {
			break
		}
		upstream, err := t.dial(ctx)
		if err == nil {
			f.mu.Lock()
			l.upstream = upstream
			f.mu.Unlock()
			stop := context.AfterFunc(lasting, l.abort)
			l.relay()
			stop()
			f.release(t, l)
			return
		}
		f.release(t, l)
		tried = append(tried, t)
	}
	reset(client)
}
