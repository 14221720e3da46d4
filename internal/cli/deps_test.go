package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies keeps the laptop's binary free of Kubernetes' servers, and the layers in their order.
func TestDependencies(t *testing.T) {
	list := func(pkg string) []string {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", pkg, err)
		}
		return strings.Fields(string(out))
	}
	const self = "github.com/skiff-cluster/skiff/internal/"
	for _, d := range list("../../cmd/skiff") {
		for _, forbidden := range []string{"k8s.io/kubernetes/", "k8s.io/apiserver/", "go.etcd.io/etcd/server", self + "node/"} {
			if strings.HasPrefix(d+"/", forbidden) {
				t.Errorf("skiff contains %s", d)
			}
		}
	}
	for _, pkg := range []string{"../cluster", "../doctor", "../docker", "../objects"} {
		for _, d := range list(pkg) {
			if strings.HasPrefix(d, self+"ui") || strings.HasPrefix(d, self+"cli") {
				t.Errorf("%s imports %s", pkg, d)
			}
		}
	}
}

// TestStart keeps kubectl's translations from being loaded at every start (see package lazytext).
func TestStart(t *testing.T) {
	if len(os.Args) > 1 && os.Args[1] == "kubectl" {
		t.Skip("this is the child")
	}
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
