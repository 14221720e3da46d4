package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const self = "github.com/skiff-cluster/skiff/"

// goList lists packages; it compiles nothing.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", strings.Join(args, " "), err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 2 {
		t.Fatalf("go list %s: %q", strings.Join(args, " "), lines)
	}
	return lines
}

// isIn is true for a package that is path, or below it.
func isIn(pkg, path string) bool { return strings.HasPrefix(pkg+"/", path+"/") }

// TestDependencies keeps the laptop's binary free of Kubernetes' servers, the node's programs free of what is for
// the laptop, and the layers in their order.
func TestDependencies(t *testing.T) {
	upper := []string{self + "internal/ui", self + "internal/cli"}
	notInNode := append([]string{
		"github.com/charmbracelet", "github.com/docker/docker/client", self + "internal/docker", self + "internal/cluster",
		self + "internal/config", self + "internal/kube", self + "internal/doctor",
	}, upper...)
	servers := []string{"k8s.io/kubernetes", "k8s.io/apiserver", "go.etcd.io/etcd/server"}
	notInSmall := append([]string{"k8s.io", "go.etcd.io"}, notInNode...)
	for _, tc := range []struct {
		pkg       string
		forbidden []string
	}{
		{"cmd/skiff", append([]string{self + "internal/node"}, servers...)},
		{"cmd/skiff-node", append(servers, notInNode...)},
		{"cmd/skiff-kubernetes", notInNode},
		{"internal/node/balancer", notInSmall},
		{"internal/node/supervise", notInSmall},
		{"internal/cluster", append([]string{self + "internal/docker", self + "internal/config", self + "internal/kube"}, upper...)},
		{"internal/config", append([]string{self + "internal/docker", self + "internal/kube"}, upper...)},
		{"internal/kube", append(append([]string{self + "internal/docker", self + "internal/config"}, servers...), upper...)},
		{"internal/doctor", upper},
		{"internal/docker", upper},
		{"internal/objects", upper},
	} {
		for _, d := range goList(t, "-deps", self+tc.pkg) {
			for _, path := range tc.forbidden {
				if isIn(d, path) {
					t.Errorf("%s contains %s", tc.pkg, d)
				}
			}
		}
	}
}

// TestLeaves keeps what is used everywhere, or could be, free of all else of ours.
func TestLeaves(t *testing.T) {
	for _, leaf := range []string{"nodeapi", "event", "fault", "nearest", "objects", "pki", "version", "node/forward"} {
		for _, d := range goList(t, "-deps", self+"internal/"+leaf) {
			if isIn(d, strings.TrimSuffix(self, "/")) && !isIn(d, self+"internal/"+leaf) {
				t.Errorf("internal/%s contains %s", leaf, d)
			}
		}
	}
}

// TestKubernetesInComponents keeps Kubernetes' own code behind the types of one package, so that another version
// of it changes only that.
func TestKubernetesInComponents(t *testing.T) {
	found := false
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, self+"internal/...", self+"cmd/...") {
		pkg, imports, _ := strings.Cut(line, " ")
		for _, i := range strings.Fields(imports) {
			switch {
			case !isIn(i, "k8s.io/kubernetes"):
			case isIn(pkg, self+"internal/node/component"):
				found = true
			default:
				t.Errorf("%s imports %s", pkg, i)
			}
		}
	}
	if !found {
		t.Error("internal/node/component does not import Kubernetes: is this the right question?")
	}
}

// TestStart keeps kubectl's translations from being loaded at every start (see package lazytext).
func TestStart(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", "LANG=de_DE.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const victim = "init k8s.io/kubectl/pkg/cmd/options @"
	for _, line := range strings.Split(string(out), "\n") {
		if !strings.HasPrefix(line, victim) {
			continue
		}
		// init PATH @T ms, T ms clock, BYTES bytes, N allocs: allocations do not depend on the machine.
		f := strings.Fields(line)
		if allocs := f[len(f)-2]; len(allocs) > 3 {
			t.Errorf("the translations are loaded: %s", line)
		}
		return
	}
	t.Errorf("%q is not in the trace", victim)
}
