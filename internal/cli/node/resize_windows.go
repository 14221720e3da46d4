package node

import (
	"context"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// watchSize sends the terminal's size now and after every change, until ctx ends. Windows sends no signal.
func watchSize(ctx context.Context, f *os.File) <-chan cluster.WindowSize {
	sizes := make(chan cluster.WindowSize, 1)
	sendSize(sizes, f)
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		width, height, _ := term.GetSize(int(f.Fd()))
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if w, h, err := term.GetSize(int(f.Fd())); err == nil && (w != width || h != height) {
					width, height = w, h
					sendSize(sizes, f)
				}
			}
		}
	}()
	return sizes
}
