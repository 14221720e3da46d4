package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// sinkPort is where a sink listens.
const sinkPort = "9000"

// sink takes connections and forgets what comes, until ctx ends. What it was sent it says to the sender at the end.
func sink(ctx context.Context) error {
	listener, err := net.Listen("tcp", ":"+sinkPort)
	if err != nil {
		return err
	}
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

// stream sends to a sink for some seconds over one connection, and tells how much arrived in which time: on its standard
// output, and where Kubernetes reads what a container says at its end.
func stream(ctx context.Context, host, forSeconds string) error {
	seconds, err := strconv.Atoi(forSeconds)
	if err != nil {
		return err
	}
	conn, err := dialSink(ctx, host)
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := make([]byte, 256<<10)
	started := time.Now()
	for end := started.Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		if _, err := conn.Write(buffer); err != nil {
			return err
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	var taken int64
	if err := json.NewDecoder(conn).Decode(&taken); err != nil {
		return err
	}
	result, err := json.Marshal(map[string]any{"bytes": taken, "seconds": time.Since(started).Seconds()})
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(result, '\n'))
	return errors.Join(err, writeMessage(result))
}

// dialSink connects as soon as the sink listens.
func dialSink(ctx context.Context, host string) (*net.TCPConn, error) {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(host, sinkPort))
		if err == nil {
			return conn.(*net.TCPConn), nil
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
