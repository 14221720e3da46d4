package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/skiff-cluster/skiff/internal/node/images"
	"github.com/skiff-cluster/skiff/internal/node/machine"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Name of the component.
const Name = "containerd"

// configPath is derived anew at every start.
const configPath = nodeapi.RunDir + "/containerd.toml"

// Containerd runs pods' containers for the kubelet. It is ready when it serves and has the sandbox image.
func Containerd(log io.Writer) supervise.Component {
	return supervise.Component{
		Name: Name,
		Runner: supervise.Process{
			Args:  []string{nodeapi.ContainerdBinary, "--config", configPath, "--log-level", "warn"},
			Log:   log,
			Grace: 5 * time.Second,
		},
		Ready: func(ctx context.Context) error {
			if err := awaitSocket(ctx, nodeapi.ContainerdSocket); err != nil {
				return err
			}
			if err := ensurePause(ctx); err != nil {
				return err
			}
			return os.WriteFile(nodeapi.RuntimeReadyPath, nil, 0o644)
		},
		Healthy: func(ctx context.Context) error { return dial(ctx, nodeapi.ContainerdSocket) },
	}
}

// Configure writes the configuration; call it before the component starts.
func Configure(registries []nodeapi.Registry, patches []string) error {
	for _, dir := range []string{filepath.Dir(nodeapi.ContainerdSocket), nodeapi.CNIConfigDir} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return err
		}
	}
	// Left by a container that was killed; /run may be on disk.
	for _, path := range []string{nodeapi.RuntimeReadyPath, nodeapi.ContainerdSocket} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	if err := writeRegistries(RegistryDir, registries); err != nil {
		return err
	}
	config, err := Config(machine.CgroupV2(), patches)
	if err != nil {
		return err
	}
	return os.WriteFile(configPath, []byte(config), 0o600)
}

// ensurePause loads the sandbox image at the first start: it is never pulled.
func ensurePause(ctx context.Context) error {
	store, ctx, err := images.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	return store.Ensure(ctx, nodeapi.PauseImage, nodeapi.PauseArchivePath)
}

func dial(ctx context.Context, socket string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// refusedRetry is the pause after a refused connection: a socket file appears a moment before its owner listens,
// and nothing tells of the latter.
const refusedRetry = 5 * time.Millisecond

// awaitSocket waits until somebody listens on a unix socket. The directory is watched, so that the wait ends
// with the socket's creation.
func awaitSocket(ctx context.Context, path string) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Close() }()
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return err
	}
	waited := fmt.Errorf("waited for somebody to listen on %s", path)
	for {
		err := dial(ctx, path)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return waited
		}
		var retry <-chan time.Time
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			retry = time.After(refusedRetry)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		select {
		case <-retry:
		case <-watcher.Events:
		case err := <-watcher.Errors:
			return err
		case <-ctx.Done():
			return waited
		}
	}
}
