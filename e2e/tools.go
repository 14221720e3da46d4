//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// helmModule is the release of Helm that the scenarios use. It is built outside go.mod: it has pins of its own.
const helmModule = "helm.sh/helm/v4/cmd/helm@v4.3.0"

// kubectlProgram is the kubectl on the PATH, an unmodified client that knows nothing of Skiff. Without one,
// upstream's own is built.
var kubectlProgram = sync.OnceValues(func() (string, error) {
	if path, err := exec.LookPath("kubectl"); err == nil {
		return path, nil
	}
	return buildTool("kubectl", "build", "-o", filepath.Join(toolsDir(), "kubectl"), "k8s.io/kubernetes/cmd/kubectl")
})

// helmProgram is Helm, built from the module proxy and kept for the next run.
var helmProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(toolsDir(), "helm")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return buildTool("helm", "install", helmModule)
})

func toolsDir() string { return filepath.Join(run.root, ".cache", "bin") }

func buildTool(name string, args ...string) (string, error) {
	build := command{
		env:  []string{"CGO_ENABLED=0", "GOBIN=" + toolsDir(), "GOFLAGS=-trimpath -buildvcs=false"},
		args: append([]string{"go"}, args...),
	}
	p, err := build.start(context.Background()) // no limit: this takes minutes on a slow machine
	if err != nil {
		return "", err
	}
	if out := p.Wait(); out.Code != 0 {
		return "", fmt.Errorf("%s", out)
	}
	return filepath.Join(toolsDir(), name), nil
}
