package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// sinkPort is where a sink listens.
	sinkPort = "9000"
	// writeSize is what a sender hands to the kernel at once, in bytes: many segments, because a sender that goes to
	// sleep after each few measures how fast it is woken.
	writeSize = 1 << 20
)

// sink takes connections and forgets what comes, until ctx ends. What it was sent it says to the sender at the end.
func sink(ctx context.Context) error {
	listener, err := net.Listen("tcp", ":"+sinkPort)
	if err != nil {
		return err
	}
	return take(ctx, listener)
}

// take is sink at a listener, which it closes.
func take(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			buffer := make([]byte, 256<<10)
			// The plain reader: io.Discard would let the kernel throw the bytes away unseen.
			taken, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, buffer)
			if err == nil {
				_ = json.NewEncoder(conn).Encode(taken)
			}
		}()
	}
}

// stream sends to a sink for some seconds over some connections at once, and tells how much arrived in which time: on its
// standard output, and where Kubernetes reads what a container says at its end.
func stream(ctx context.Context, host, forSeconds, over string) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, writeMessage([]byte(err.Error())))
		}
	}()
	seconds, err := strconv.Atoi(forSeconds)
	if err != nil {
		return err
	}
	connections, err := strconv.Atoi(over)
	if err != nil {
		return err
	}
	taken, took, err := transfer(ctx, net.JoinHostPort(host, sinkPort), time.Duration(seconds)*time.Second, connections)
	if err != nil {
		return err
	}
	result, err := json.Marshal(map[string]any{"bytes": taken, "seconds": took.Seconds()})
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(result, '\n'))
	return errors.Join(err, writeMessage(result))
}

// transfer sends to a sink for some time over some connections, and returns how many bytes arrived, and until when.
func transfer(ctx context.Context, address string, lasts time.Duration, connections int) (taken int64, took time.Duration, err error) {
	conns := make([]*net.TCPConn, connections)
	for i := range conns {
		if conns[i], err = dialSink(ctx, address); err != nil {
			return 0, 0, err
		}
		defer conns[i].Close()
	}
	var all atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	started := time.Now()
	for _, conn := range conns {
		group.Go(func() error {
			arrived, err := send(ctx, conn, started.Add(lasts))
			all.Add(arrived)
			return err
		})
	}
	err = group.Wait()
	return all.Load(), time.Since(started), err
}

// send sends until end, and returns how many bytes the sink says that it took.
func send(ctx context.Context, conn *net.TCPConn, end time.Time) (taken int64, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // another connection failed
	defer stop()
	buffer := make([]byte, writeSize)
	for time.Now().Before(end) {
		if _, err := conn.Write(buffer); err != nil {
			return 0, err
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return 0, err
	}
	err = json.NewDecoder(conn).Decode(&taken)
	return taken, err
}

// dialSink connects as soon as the sink listens.
func dialSink(ctx context.Context, address string) (*net.TCPConn, error) {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			tcp := conn.(*net.TCPConn)
			// Go sends without delay unless told otherwise: what each write leaves over of whole segments would go as a
			// small packet of its own, and packets would be measured rather than bytes.
			return tcp, tcp.SetNoDelay(false)
		}
		select {
		case <-time.After(probePause):
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

// writeMessage leaves a message where Kubernetes reads it. A plain container has no such place.
func writeMessage(message []byte) error {
	err := os.WriteFile(messagePath, message, 0o600)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil
	}
	return err
}
