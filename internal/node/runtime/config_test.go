package runtime

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// TestConfig holds containerd's configuration to golden files, and to being TOML.
func TestConfig(t *testing.T) {
	for name, v2 := range map[string]bool{"cgroup-v1": false, "cgroup-v2": true} {
		t.Run(name, func(t *testing.T) {
			got, err := Config(v2, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := toml.Unmarshal([]byte(got), &map[string]any{}); err != nil {
				t.Error(err)
			}
			testutil.Golden(t, name+".toml", got)
		})
	}
}

// TestPatchedConfig lays two patches over the configuration: the later one wins, and what neither names stays.
func TestPatchedConfig(t *testing.T) {
	got, err := Config(false, []string{`
[plugins."io.containerd.cri.v1.images"]
  max_concurrent_downloads = 5
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "other"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.other]
  runtime_type = "io.containerd.runc.v2"
`, `
disabled_plugins = ["io.containerd.tracing.processor.v1.otlp"]
[plugins."io.containerd.cri.v1.images"]
  max_concurrent_downloads = 7
`})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Golden(t, "patched.toml", got)
}

func TestPatchThatIsNoTOML(t *testing.T) {
	if _, err := Config(false, []string{"a = 1", "["}); err == nil || !strings.Contains(err.Error(), "patch 2") {
		t.Errorf("the error does not name the patch: %v", err)
	}
}

// TestRegistryFiles holds the registries' files to a golden file, and to being what containerd's parser wants.
func TestRegistryFiles(t *testing.T) {
	files := registryFiles([]nodeapi.Registry{
		{Host: "example.test:5000", Mirrors: []string{"http://127.0.0.1:5001", "https://mirror.example.test/v2"}, CA: "PEM\n"},
		{Host: "docker.io", Mirrors: []string{"https://proxy.example.test/v2/hub", "https://other.example.test/prefix"}, SkipVerify: true},
		{Host: "plain.example.test:5000", Mirrors: []string{"http://plain.example.test:5000", "http://mirror.example.test"}, SkipVerify: true},
		{Host: "tls.example.test", CA: "PEM\n"},
		{Host: "*", Mirrors: []string{"http://[fd00::1]:5001"}},
	})
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&all, "--- %s\n%s", name, files[name])
		if strings.HasSuffix(name, ".toml") {
			if err := toml.Unmarshal([]byte(files[name]), &map[string]any{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	testutil.Golden(t, "registries.txt", all.String())
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

// TestRegistryThatIsGone writes two registries and then one of them: of the other nothing stays on the volume.
func TestRegistryThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "registries")
	stays := nodeapi.Registry{Host: "stays.example.test", Mirrors: []string{"http://127.0.0.1:5001"}, CA: "PEM\n"}
	for _, registries := range [][]nodeapi.Registry{{stays, {Host: "*", Mirrors: []string{"http://127.0.0.1:5002"}}}, {stays}} {
		if err := writeRegistries(dir, registries); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "stays.example.test" {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "stays.example.test", authorityFile)); err != nil {
		t.Error(err)
	}
}
