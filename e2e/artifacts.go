//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// collect saves what helps to understand a failure, if there was one. It must not fail the scenario once more.
func (c *Cluster) collect() {
	if !c.Failed() {
		return
	}
	dir, err := run.artifacts(c.T.Name() + "-" + c.Name)
	if err != nil {
		c.Logf("no artifacts: %v", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bundle := filepath.Join(dir, "bundle.tar.gz")
	if r := skiffRun(ctx, c.env(), "bundle", "--file", bundle); r.Code != 0 {
		c.Logf("no bundle: %s", r)
	}
	program, err := kubectlProgram()
	if err != nil {
		return
	}
	for file, args := range map[string][]string{
		"events.txt":   {"get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"},
		"objects.txt":  {"get", "all,endpointslices,configmaps", "--output=wide"},
		"describe.txt": {"describe", "pods"},
		"nodes.txt":    {"describe", "nodes"},
		"logs.txt":     {"logs", "--selector=scenario", "--all-containers", "--prefix", "--tail=200", "--ignore-errors", "--max-log-requests=50"},
	} {
		all := append([]string{program, "--context", c.ContextName(), "--namespace", c.Namespace, "--request-timeout=20s"}, args...)
		r := command{env: c.env(), args: all}.run(ctx)
		_ = os.WriteFile(filepath.Join(dir, file), []byte(strings.Join([]string{r.Command, r.Stdout, r.Stderr}, "\n")), 0o644)
	}
	c.Logf("artifacts: %s", dir)
}
