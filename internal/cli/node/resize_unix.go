//go:build !windows

package node

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// watchSize sends the terminal's size now and after every change, until ctx ends.
func watchSize(ctx context.Context, f *os.File) <-chan cluster.WindowSize {
	sizes := make(chan cluster.WindowSize, 1)
	sendSize(sizes, f)
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	go func() {
		defer signal.Stop(changes)
		for {
			select {
			case <-ctx.Done():
				return
			case <-changes:
				sendSize(sizes, f)
			}
		}
	}()
	return sizes
}
