package docker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/client"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// environment clears all that names an engine and returns an empty configuration directory.
func environment(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH", "DOCKER_API_VERSION", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, "")
	}
	t.Setenv("DOCKER_CONFIG", dir)
	return dir
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// addContext writes a context as `docker context create` does.
func addContext(t *testing.T, dir, name, host string) {
	t.Helper()
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	writeFile(t, filepath.Join(dir, "contexts", "meta", id, "meta.json"),
		fmt.Sprintf(`{"Name":%q,"Metadata":{},"Endpoints":{"docker":{"Host":%q,"SkipTLSVerify":false}}}`, name, host))
}

// TestFindEndpoint names the engine in every way that docker knows, and holds to docker's order.
func TestFindEndpoint(t *testing.T) {
	for _, tc := range []struct {
		name          string
		env           map[string]string
		config        string
		host, context string
		local         bool
	}{
		{name: "nothing", host: client.DefaultDockerHost, local: true},
		{name: "DOCKER_HOST", env: map[string]string{"DOCKER_HOST": "unix:///x.sock"}, host: "unix:///x.sock", local: true},
		{name: "without scheme or port", env: map[string]string{"DOCKER_HOST": "10.1.2.3"}, host: "tcp://10.1.2.3:2375"},
		{name: "loopback", env: map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:99"}, host: "tcp://127.0.0.1:99", local: true},
		{name: "ssh", env: map[string]string{"DOCKER_HOST": "ssh://me@box"}, host: "ssh://me@box"},
		{name: "DOCKER_CONTEXT", env: map[string]string{"DOCKER_CONTEXT": "box"}, host: "tcp://box:2376", context: "box"},
		{name: "current context", config: `{"currentContext":"box"}`, host: "tcp://box:2376", context: "box"},
		{name: "DOCKER_CONTEXT before the current one", config: `{"currentContext":"gone"}`, env: map[string]string{"DOCKER_CONTEXT": "box"}, host: "tcp://box:2376", context: "box"},
		{name: "DOCKER_HOST before contexts", config: `{"currentContext":"box"}`, env: map[string]string{"DOCKER_HOST": "unix:///x.sock"}, host: "unix:///x.sock", local: true},
		{name: "the default context", config: `{"currentContext":"box"}`, env: map[string]string{"DOCKER_CONTEXT": "default"}, host: client.DefaultDockerHost, local: true},
		{name: "broken configuration", config: `{`, host: client.DefaultDockerHost, local: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := environment(t)
			addContext(t, dir, "box", "tcp://box:2376")
			if tc.config != "" {
				writeFile(t, filepath.Join(dir, "config.json"), tc.config)
			}
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			ep, err := findEndpoint()
			if err != nil {
				t.Fatal(err)
			}
			if ep.host != tc.host || ep.context != tc.context || ep.local() != tc.local || (ep.warning != "") != (tc.config == "{") {
				t.Errorf("%+v, local %v", ep, ep.local())
			}
			if ep.settingHint() == "" || ep.startHint("linux") == "" || ep.startHint("darwin") == "" {
				t.Error("no hint")
			}
			if _, err := ep.client(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEndpointRefused(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"no such context": {"DOCKER_CONTEXT": "gone"},
		"no certificates": {"DOCKER_HOST": "tcp://box:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/no/such/dir"},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t)
			for k, v := range env {
				t.Setenv(k, v)
			}
			_, err := New()
			if fault.CodeOf(err) != fault.DockerUnreachable {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestRootless takes a rootless engine's socket where the standard one does not exist.
func TestRootless(t *testing.T) {
	dir := t.TempDir()
	standard, rootless := filepath.Join(dir, "standard.sock"), filepath.Join(dir, "run", "docker.sock")
	t.Setenv("XDG_RUNTIME_DIR", filepath.Dir(rootless))
	if got := defaultHost("unix://" + standard); got != "unix://"+standard {
		t.Errorf("neither exists: %s", got)
	}
	writeFile(t, rootless, "")
	if got := defaultHost("unix://" + standard); got != "unix://"+rootless {
		t.Errorf("only the rootless one exists: %s", got)
	}
	if got := defaultHost("npipe:////./pipe/docker_engine"); got != "npipe:////./pipe/docker_engine" {
		t.Errorf("not a socket: %s", got)
	}
	writeFile(t, standard, "")
	if got := defaultHost("unix://" + standard); got != "unix://"+standard {
		t.Errorf("both exist: %s", got)
	}
}

// TestUnreachable says which engine does not answer and how to start it.
func TestUnreachable(t *testing.T) {
	environment(t)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "none.sock"))
	engine, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	_, err = engine.Info(t.Context())
	var f *fault.Error
	if fault.CodeOf(err) != fault.DockerUnreachable {
		t.Fatalf("%v", err)
	}
	if !errors.As(err, &f) || !strings.Contains(f.Hint, "none.sock") || !strings.Contains(f.Hint, "DOCKER_HOST") {
		t.Errorf("%s", f.Hint)
	}
}
