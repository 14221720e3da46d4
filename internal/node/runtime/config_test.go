package runtime

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/skiff-cluster/skiff/internal/testutil"
)

// TestConfig holds containerd's configuration to golden files, and to being TOML.
func TestConfig(t *testing.T) {
	for name, v2 := range map[string]bool{"cgroup-v1": false, "cgroup-v2": true} {
		t.Run(name, func(t *testing.T) {
			got := Config(v2)
			if err := toml.Unmarshal([]byte(got), &map[string]any{}); err != nil {
				t.Error(err)
			}
			testutil.Golden(t, name+".toml", got)
		})
	}
}

// TestAwaitSocket waits for a socket that appears later, in the place of one whose owner has died.
func TestAwaitSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	found := make(chan error, 1)
	go func() { found <- awaitSocket(t.Context(), path) }()
	select {
	case err := <-found:
		t.Fatalf("found a socket without an owner: %v", err)
	case <-time.After(50 * time.Millisecond): // long enough for some refusals
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	alive, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if err := <-found; err != nil {
		t.Error(err)
	}
}
