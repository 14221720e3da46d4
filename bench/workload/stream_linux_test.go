package main

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// counted is a listener that counts what is read from its connections.
type counted struct {
	net.Listener
	bytes atomic.Int64
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &countedConn{conn, &l.bytes}, err
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func listen(t *testing.T) *counted {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return &counted{Listener: listener}
}

// TestTransfer counts what the sink took, not what was handed to the kernel.
func TestTransfer(t *testing.T) {
	listener := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- take(ctx, listener) }()
	const lasts = 50 * time.Millisecond
	taken, took, err := transfer(t.Context(), listener.Addr().String(), lasts, 3)
	if err != nil || taken == 0 || taken != listener.bytes.Load() || taken%writeSize != 0 || took < lasts {
		t.Errorf("%d bytes in %s, %v; the sink read %d", taken, took, err, listener.bytes.Load())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the sink ended with %v", err)
	}
}

// TestTransferFails when one of its connections does, and when it is cancelled; it does not go on to its end.
func TestTransferFails(t *testing.T) {
	// accept takes both connections, and reads nothing of them.
	accept := func(listener *counted) (conns []net.Conn) {
		for range 2 {
			conn, err := listener.Accept()
			if err != nil {
				return nil
			}
			conns = append(conns, conn)
		}
		return conns
	}
	for name, happen := range map[string]func(first net.Conn, cancel context.CancelFunc){
		"one is closed": func(first net.Conn, _ context.CancelFunc) { _ = first.Close() },
		"cancelled":     func(_ net.Conn, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			listener := listen(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			open := make(chan []net.Conn, 1) // until the end: one that nobody holds is closed
			go func() {
				conns := accept(listener)
				if len(conns) > 0 {
					happen(conns[0], cancel)
				}
				open <- conns
			}()
			ended := make(chan error, 1)
			go func() {
				_, _, err := transfer(ctx, listener.Addr().String(), time.Hour, 2)
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("no error")
				}
			case <-time.After(30 * time.Second):
				t.Error("it goes on")
			}
			for _, conn := range <-open {
				_ = conn.Close()
			}
		})
	}
}

// TestWholeSegments: a connection waits with what is no whole segment for more.
func TestWholeSegments(t *testing.T) {
	listener := listen(t)
	conn, err := dialSink(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	noDelay := -1
	controlErr := raw.Control(func(fd uintptr) {
		noDelay, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
	})
	if controlErr != nil || err != nil || noDelay != 0 {
		t.Errorf("TCP_NODELAY is %d, %v, %v", noDelay, controlErr, err)
	}
}
