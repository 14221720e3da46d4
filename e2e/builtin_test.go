//go:build e2e

package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/doctor"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	c := New(t, "doctor looks at all that a cluster needs, and says what to do about what it does not like").NewCluster("")
	var findings []doctor.Finding
	c.SkiffJSON(&findings, "doctor")
	if len(findings) != len(doctor.Checks) {
		t.Errorf("%d checks, %d findings", len(doctor.Checks), len(findings))
	}
	text := c.Skiff("doctor")
	for _, f := range findings {
		if f.Message == "" || (f.Level == doctor.Warn || f.Level == doctor.Fail) && f.Fix == "" {
			t.Errorf("%+v", f)
		}
		if !strings.Contains(text, f.Check) {
			t.Errorf("there is no %q in\n%s", f.Check, text)
		}
	}
}

func TestBuiltInKubectl(t *testing.T) {
	c := Shared(t, "skiff kubectl is kubectl: same output, same exit codes, and no kubeconfig needed")
	c.ClientPod("box")
	here := func(args ...string) Result {
		env := append(c.env(), "KUBECONFIG=/nonexistent/config", "HOME=/nonexistent")
		return skiffRun(t.Context(), env, append([]string{"kubectl", "--namespace", c.Namespace}, args...)...)
	}
	for _, args := range [][]string{
		{"get", "pods", "--output=name"},
		{"get", "pod", "box", "--output=jsonpath={.metadata.uid}"},
		{"get", "nothing"},
		{"get", "pod", "none"},
		{"get", "--no-such-flag"},
		{"exec", "box", "--", "/testbox", "env", "VERSION"},
		{"exec", "box", "--", "/testbox", "env", "NOT_THERE"},
		{"exec", "box", "--", "/testbox"},
		{"auth", "can-i", "delete", "nodes"},
		{"diff", "--filename=/nonexistent"},
	} {
		built, external := here(args...), c.TryKubectl(args...)
		if built.Code != external.Code || built.Stdout != external.Stdout {
			t.Errorf("kubectl %v:\n%s\n\n%s", args, built, external)
		}
	}
	var version struct {
		ClientVersion, ServerVersion struct{ GitVersion string }
	}
	r := here("version", "--output=json")
	if err := json.Unmarshal([]byte(r.Stdout), &version); err != nil || version.ClientVersion.GitVersion != "v1.37.2" || version.ServerVersion.GitVersion != "v1.37.2" {
		t.Errorf("%s", r)
	}
	if r := (command{env: c.env(), stdin: "a\n", args: []string{run.skiff, "kubectl", "--namespace", c.Namespace, "exec", "-i", "box", "--", "/testbox", "echo"}}).run(t.Context()); r.Stdout != "echo: a\n" {
		t.Errorf("%s", r)
	}
}

func TestTerminal(t *testing.T) {
	c := Shared(t, "On a terminal, exec and node shell give a terminal to what they run")
	script, err := exec.LookPath("script") // it makes a terminal; util-linux
	if err != nil {
		t.Skip("there is no program 'script' to make a terminal with")
	}
	onTerminal := func(args string) Result {
		line := run.skiff + " " + args
		return command{env: append(c.env(), "TERM=xterm"), args: []string{script, "--quiet", "--return", "--command", line, "/dev/null"}}.run(t.Context())
	}
	c.Step("the terminal itself is asked nothing: it may not answer")
	if r := onTerminal("version"); r.Code != 0 || strings.Contains(r.Stdout, "\x1b") || !strings.Contains(r.Stdout, "v1.37.2") {
		t.Errorf("%s", r)
	}
	c.Step("what runs in a pod or in the node has a terminal, and its exit code is skiff's")
	c.ClientPod("box")
	if r := onTerminal("kubectl --namespace " + c.Namespace + " exec -it box -- /testbox env VERSION"); r.Code != 0 || !strings.Contains(r.Stdout, "VERSION=v1\r\n") {
		t.Errorf("%s", r)
	}
	if r := onTerminal("node shell -- busybox tty"); r.Code != 0 || !strings.Contains(r.Stdout, "/dev/pts/") {
		t.Errorf("%s", r)
	}
	if r := onTerminal("node shell -- sh -c 'exit 7'"); r.Code != 7 {
		t.Errorf("%s", r)
	}
	c.Step("without one there is none, and exit codes are passed on as well")
	if r := c.TrySkiff("node", "shell", "--", "busybox", "tty"); r.Code != 1 || strings.Contains(r.Stdout, "/dev/pts") {
		t.Errorf("%s", r)
	}
	if r := c.TrySkiff("node", "shell", "--", "sh", "-c", "exit 7"); r.Code != 7 || r.Stderr != "" {
		t.Errorf("%s", r)
	}
	if r := (command{env: c.env(), stdin: "a\nb\n", args: []string{run.skiff, "node", "shell", "--", "wc", "-l"}}).run(t.Context()); strings.TrimSpace(r.Stdout) != "2" {
		t.Errorf("%s", r)
	}
}
