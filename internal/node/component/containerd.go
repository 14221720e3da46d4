package component

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fsnotify/fsnotify"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// awaitContainerd waits until containerd, which PID 1 starts next to this process, accepts connections.
func awaitContainerd(ctx context.Context) error {
	return awaitSocket(ctx, nodeapi.ContainerdSocket)
}

// awaitSocket waits until somebody listens on a unix socket. The directory is watched, so that the wait ends
// with the socket's creation; a socket left by a dead process refuses connections and is waited out.
func awaitSocket(ctx context.Context, path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Close() }()
	if err := watcher.Add(dir); err != nil {
		return err
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		select {
		case <-watcher.Events:
		case err := <-watcher.Errors:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
