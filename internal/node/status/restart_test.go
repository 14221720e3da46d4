package status

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRestart asks for a restart on the socket, as `skiff-node restart` does.
func TestRestart(t *testing.T) {
	b := newTestBoard(io.Discard)
	asked := make(chan string, 2)
	b.Restart = func(component string) error {
		if component != "kubernetes" {
			return errors.New("there is no component " + component)
		}
		asked <- component
		return nil
	}
	socket := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx, socket) }()
	deadline := time.Now().Add(time.Minute)
	for {
		if _, err := Read(t.Context(), socket); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := Restart(t.Context(), socket, "kubernetes"); err != nil || <-asked != "kubernetes" {
		t.Error(err)
	}
	if err := Restart(t.Context(), socket, "nobody"); err == nil || !strings.Contains(err.Error(), "there is no component nobody") {
		t.Errorf("%v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
