package component

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// awaitContainerd waits until containerd, which PID 1 starts next to this process, can run pods.
func awaitContainerd(ctx context.Context) error {
	return awaitFile(ctx, nodeapi.RuntimeReadyPath)
}

// awaitFile waits until a file exists. Its directory is watched, so that the wait ends with the file's creation.
func awaitFile(ctx context.Context, path string) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Close() }()
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return err
	}
	for {
		_, err := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case <-watcher.Events:
		case err := <-watcher.Errors:
			return err
		case <-ctx.Done():
			return errors.New("waited for containerd, which PID 1 starts")
		}
	}
}
