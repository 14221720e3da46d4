package enginetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// testLimits limits a container, and looks for the limits in the engine's description.
func (s *suite) testLimits(t *testing.T) {
	limits := func(t *testing.T, spec cluster.ContainerSpec) (nanoCPUs, memory, withSwap int64) {
		t.Helper()
		s.start(t, spec)
		raw, err := s.Inspect(t.Context(), cluster.KindContainer, spec.Name)
		s.must(t, err)
		var c struct {
			HostConfig struct{ NanoCpus, Memory, MemorySwap int64 }
		}
		s.must(t, json.Unmarshal(raw, &c))
		return c.HostConfig.NanoCpus, c.HostConfig.Memory, c.HostConfig.MemorySwap
	}
	spec := s.spec("limits", "serve")
	spec.CPUMillis, spec.MemoryBytes = 750, 64<<20
	cpus, memory, withSwap := limits(t, spec)
	if cpus != 750e6 || memory != 64<<20 || withSwap != memory && withSwap != -1 { // -1 from a kernel that does not count swap
		t.Errorf("%d, %d, %d", cpus, memory, withSwap)
	}
	if cpus, memory, withSwap := limits(t, s.spec("no-limits", "serve")); cpus != 0 || memory != 0 || withSwap != 0 {
		t.Errorf("without limits: %d, %d, %d", cpus, memory, withSwap)
	}
}

// testBinds shows files of the host in a container.
func (s *suite) testBinds(t *testing.T) {
	if !s.info.Local {
		t.Skip("the engine's files are on another machine")
	}
	dir := t.TempDir()
	single, inner := filepath.Join(dir, "single"), filepath.Join(dir, "dir", "inner")
	s.must(t, os.Mkdir(filepath.Dir(inner), 0o755))
	for file, content := range map[string]string{single: "of the host\n", inner: "inside\n"} {
		s.must(t, os.WriteFile(file, []byte(content), 0o600))
		s.must(t, os.Chmod(file, 0o666)) // the program is another user, and no superuser
	}
	spec := s.spec("binds", "serve")
	spec.Binds = []cluster.Bind{
		{Source: filepath.Dir(inner), Target: "/shown", ReadOnly: true},
		{Source: single, Target: "/etc/single"},
	}
	s.start(t, spec)
	for name, want := range map[string]string{"/shown/inner": "inside\n", "/etc/single": "of the host\n"} {
		if code, out, err := s.run(t, spec.Name, cluster.ExecSpec{}, "read", name); code != 0 || out != want {
			t.Errorf("%s: %d, %q, %q", name, code, out, err)
		}
	}
	t.Run("a read-only one cannot be written", func(t *testing.T) {
		if code, _, err := s.run(t, spec.Name, cluster.ExecSpec{}, "write", "/shown/inner"); code == 0 || !strings.Contains(err, "read-only") {
			t.Errorf("%d, %q", code, err)
		}
		s.holds(t, inner, "inside\n")
	})
	t.Run("another can", func(t *testing.T) {
		if code, _, err := s.run(t, spec.Name, cluster.ExecSpec{}, "write", "/etc/single"); code != 0 {
			t.Errorf("%d, %q", code, err)
		}
		s.holds(t, single, "written\n")
	})
	t.Run("a source must exist", func(t *testing.T) {
		missing := s.spec("bind-missing", "serve")
		source := filepath.Join(dir, "no such directory")
		missing.Binds = []cluster.Bind{{Source: source, Target: "/x"}}
		err := s.createAndStart(t, missing)
		s.want(t, err, fault.NotFound)
		if err != nil && !strings.Contains(err.Error(), source) {
			t.Errorf("it does not name what is missing: %v", err)
		}
		if _, err := os.Lstat(source); !os.IsNotExist(err) {
			t.Errorf("it was made: %v", err)
		}
	})
	t.Run("a source must exist at the start", func(t *testing.T) {
		gone := s.spec("bind-gone", "serve")
		source := filepath.Join(dir, "gone")
		s.must(t, os.Mkdir(source, 0o755))
		gone.Binds = []cluster.Bind{{Source: source, Target: "/x"}}
		s.create(t, gone)
		s.must(t, os.Remove(source))
		s.want(t, s.StartContainer(t.Context(), gone.Name), fault.NotFound)
	})
	t.Run("paths are absolute", func(t *testing.T) {
		relative := s.spec("bind-relative", "serve")
		relative.Binds = []cluster.Bind{{Source: dir, Target: "relative"}}
		s.want(t, s.createAndStart(t, relative), fault.DockerRefused)
	})
}

// holds checks a file of the host.
func (s *suite) holds(t *testing.T, path, want string) {
	t.Helper()
	content, err := os.ReadFile(path)
	s.must(t, err)
	if string(content) != want {
		t.Errorf("%s holds %q", path, content)
	}
}
