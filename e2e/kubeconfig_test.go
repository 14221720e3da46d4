//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// theirs is a kubeconfig as somebody else's tool wrote it, with what no tool of ours knows.
const theirs = `# written by hand
apiVersion: v1
kind: Config
clusters:
- name: theirs # a comment
  cluster: {server: "https://192.0.2.1:6443", insecure-skip-tls-verify: true}
contexts:
- context:
    cluster: theirs
    user: me
    not-known-to-anyone: 7
  name: theirs
users:
- name: me
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: Never}
current-context: theirs
`

func TestKubeconfigOfOthers(t *testing.T) {
	c := Shared(t, "What others wrote into a kubeconfig stays, to the byte, but for the selected context")
	file := c.WriteFile(filepath.Join(t.TempDir(), "config"), theirs, 0o640)
	env := append(c.env(), "KUBECONFIG="+file)
	c.ok(env, "kubeconfig", "merge")
	merged := c.ReadFile(file)
	rest := strings.Split(strings.TrimSuffix(theirs, "current-context: theirs\n"), "\n")
	for _, line := range rest {
		if !strings.Contains(merged, line+"\n") {
			t.Errorf("the line %q is gone from\n%s", line, merged)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("a file with a key in it: %v, %v", info.Mode(), err)
	}
	c.ok(env, "kubectl", "get", "nodes")
	c.ok(env, "kubeconfig", "merge")
	if again := c.ReadFile(file); again != merged {
		t.Errorf("merged twice:\n%s", again)
	}
	c.ok(env, "kubeconfig", "remove")
	if got, want := c.ReadFile(file), strings.Replace(theirs, "current-context: theirs", `current-context: ""`, 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// ok runs skiff with an environment of its own.
func (c *Cluster) ok(env []string, args ...string) Result {
	c.Helper()
	r := skiffRun(c.Context(), env, args...)
	if r.Code != 0 {
		c.Fatalf("%s", r)
	}
	return r
}

func TestKubeconfigList(t *testing.T) {
	c := Shared(t, "With several files in KUBECONFIG the one is written that kubectl would write, and the others are not touched")
	dir := t.TempDir()
	missing, second, third := filepath.Join(dir, "missing"), filepath.Join(dir, "second"), filepath.Join(dir, "third")
	c.WriteFile(second, strings.ReplaceAll(theirs, "theirs", "second"), 0o600)
	c.WriteFile(third, strings.ReplaceAll(theirs, "theirs", "third"), 0o400)
	before := c.ReadFile(third)
	env := append(c.env(), "KUBECONFIG="+strings.Join([]string{missing, second, third}, string(filepath.ListSeparator)))
	c.ok(env, "kubeconfig", "merge")
	program, err := kubectlProgram()
	c.Must(err, "kubectl")
	for _, args := range [][]string{{"get", "nodes"}, {"--context=" + c.ContextName(), "get", "nodes"}} {
		if r := (command{env: env, args: append([]string{program}, args...)}).run(t.Context()); r.Code != 0 {
			t.Errorf("%s", r)
		}
	}
	if r := (command{env: env, args: []string{program, "config", "get-contexts", "--output=name"}}).run(t.Context()); strings.Join(strings.Fields(r.Stdout), " ") != "second "+c.ContextName()+" third" {
		t.Errorf("%s", r)
	}
	if _, err := os.Stat(missing); err == nil || !strings.Contains(c.ReadFile(second), c.ContextName()) || c.ReadFile(third) != before {
		t.Error("another file was written")
	}
	c.ok(env, "kubeconfig", "remove")
	if strings.Contains(c.ReadFile(second), c.ContextName()) {
		t.Error("it is still there")
	}
}

func TestKubeconfigCannotBeUsed(t *testing.T) {
	t.Parallel()
	c := New(t, "A kubeconfig that cannot be read or written is refused before anything is made, and is not changed").NewCluster("")
	dir := t.TempDir()
	// What only another user cannot write must be where that user can look.
	public := c.PublicDir()
	for _, bad := range []struct {
		name, path, content string
		nobody              bool
		words               []string
	}{
		{"it is no YAML", filepath.Join(dir, "broken"), "clusters: [\nusers: }", false, []string{"is not valid", "line 2"}},
		{"it is something else", filepath.Join(dir, "list"), "- a\n- b\n", false, []string{"is not valid"}},
		{"a name has a wrong type", filepath.Join(dir, "type"), "clusters: 7\n", false, []string{"is not valid"}},
		{"it is a directory", dir, "", false, []string{"directory"}},
		{"it is no file", os.DevNull, "", false, []string{"cannot be written"}},
		{"it is protected", filepath.Join(dir, "protected"), theirs, false, []string{"cannot be written", "mode"}},
		{"its directory cannot be written", filepath.Join(public, "none", "config"), "", true, []string{"cannot be written", "permission denied"}},
		{"it belongs to someone else", filepath.Join(public, "config"), theirs, true, []string{"cannot be written", "permission denied"}},
	} {
		c.Step("%s", bad.name)
		if bad.content != "" {
			mode := os.FileMode(0o600)
			switch {
			case bad.nobody:
				mode = 0o644
			case bad.content == theirs:
				mode = 0o400
			}
			c.WriteFile(bad.path, bad.content, mode)
		}
		env := append(c.env(), "KUBECONFIG="+bad.path)
		var r Result
		if bad.nobody {
			c.Must(os.Chmod(public, 0o555), "protect a directory")
			engine := c.NewEngine(c.RealEngine())
			c.Must(os.Chmod(engine.Socket, 0o666), "open the socket to all")
			r = c.AsNobody(append(env, "DOCKER_HOST="+engine.Host), "create")
		} else {
			r = skiffRun(t.Context(), env, "create")
		}
		c.Fails(r, exitKubeconfig, append(bad.words, bad.path, "--kubeconfig")...)
		if bad.content != "" && c.ReadFile(bad.path) != bad.content {
			t.Errorf("it was changed: %s", c.ReadFile(bad.path))
		}
	}
	c.Must(os.Chmod(public, 0o755), "let it be removed")
	c.Gone()
}

func TestKubeconfigIsLocked(t *testing.T) {
	c := Shared(t, "While somebody else writes the kubeconfig skiff waits, and if that never ends, says which file to remove")
	file := c.WriteFile(filepath.Join(t.TempDir(), "config"), theirs, 0o600)
	lock := c.WriteFile(file+".lock", "", 0o600)
	env := append(c.env(), "KUBECONFIG="+file)
	waiting := c.Start(env, run.skiff, "kubeconfig", "merge")
	select {
	case <-waiting.Done():
		t.Fatalf("it did not wait: %s", waiting.Wait())
	case <-time.After(time.Second):
	}
	if c.ReadFile(file) != theirs {
		t.Error("it was written under somebody else's lock")
	}
	c.Must(os.Remove(lock), "end the other's writing")
	if r := waiting.Wait(); r.Code != 0 || !strings.Contains(c.ReadFile(file), c.ContextName()) {
		t.Errorf("%s", r)
	}
	if _, err := os.Stat(lock); err == nil {
		t.Error("the lock is still there")
	}

	c.Step("the lock is never released")
	before := c.ReadFile(file)
	c.WriteFile(lock, "", 0o600)
	for _, args := range [][]string{{"kubeconfig", "remove"}, {"create", run.prefix() + "locked"}} {
		c.Fails(skiffRun(t.Context(), append(env, "SKIFF_CLUSTER="+run.prefix()+"locked"), args...), exitKubeconfig, "locked", lock)
	}
	if c.ReadFile(file) != before {
		t.Error("it was written all the same")
	}
	if _, err := os.Stat(lock); err != nil {
		t.Error("somebody else's lock was removed")
	}
}
