package forward

import (
	"context"
	"fmt"
	"net"
	"slices"
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
	var closing, links sync.WaitGroup
	closing.Go(func() {
		<-ctx.Done()
		_ = l.Close()
	})
	err := f.accept(ctx, l, func(client *net.TCPConn) {
		links.Go(func() { f.forward(ctx, &link{client: client, from: l}) })
	})
	cancel()
	closing.Wait()
	f.endLinks(l, &links)
	return err
}

// endLinks waits until the connections of a listener have ended by themselves, or the grace time has passed; then it
// ends them.
func (f *Forwarder) endLinks(l net.Listener, links *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		links.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return
	case <-time.After(f.config.Grace):
	}
	f.mu.Lock()
	for _, t := range slices.Concat(f.targets, f.leaving) {
		for link := range t.links {
			if link.from == l {
				link.abort()
			}
		}
	}
	f.mu.Unlock()
	<-ended
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

// forward connects the client to a target, trying one after the other until ctx ends, and relays. If no target can be
// reached it is reset, which clients take for something that may be tried again.
func (f *Forwarder) forward(ctx context.Context, l *link) {
	defer f.freeSlot()
	_ = l.client.SetKeepAliveConfig(keepAlive)
	var tried []*target
	for ctx.Err() == nil {
		t := f.pick(l, tried)
		if t == nil {
			break
		}
		upstream, err := t.dial(ctx)
		if err == nil && f.establish(ctx, l, upstream) {
			l.relay()
			f.release(t, l)
			return
		}
		f.release(t, l)
		tried = append(tried, t)
	}
	reset(l.client)
}

// establish completes a connection, and is false if ctx has ended. From now on it can be aborted.
func (f *Forwarder) establish(ctx context.Context, l *link, upstream *net.TCPConn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		reset(upstream)
		return false
	}
	l.upstream = upstream
	return true
}
