//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// kept are the clusters of failed scenarios that somebody wants to look at.
var kept struct {
	mu    sync.Mutex
	names map[string]bool
}

func keep(name string) {
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.names == nil {
		kept.names = map[string]bool{}
	}
	kept.names[name] = true
}

func isKept(name string) bool {
	kept.mu.Lock()
	defer kept.mu.Unlock()
	return kept.names[name]
}

// leak is something of this run that is still there.
type leak struct{ kind, name, cluster string }

// leaks lists the containers, networks and volumes that this run left behind, by label and by name: what was
// made without its label is a leak too.
func leaks() ([]leak, error) {
	var found []leak
	for kind, list := range map[string][]string{
		"container": {"ps", "--all", "--format", `{{.Names}} {{.Label "` + nodeapi.LabelCluster + `"}}`},
		"network":   {"network", "ls", "--format", `{{.Name}} {{.Label "` + nodeapi.LabelCluster + `"}}`},
		"volume":    {"volume", "ls", "--format", `{{.Name}} {{.Label "` + nodeapi.LabelCluster + `"}}`},
	} {
		out := dockerRun(list...)
		if out.Code != 0 {
			return nil, fmt.Errorf("%s", out)
		}
		for line := range strings.Lines(out.Stdout) {
			name, cluster, _ := strings.Cut(strings.TrimSpace(line), " ")
			if cluster == "" && strings.HasPrefix(name, "skiff-"+run.prefix()) {
				cluster = strings.TrimPrefix(name, "skiff-")
			}
			if strings.HasPrefix(cluster, run.prefix()) && !isKept(cluster) {
				found = append(found, leak{kind, name, cluster})
			}
		}
	}
	return found, nil
}

// checkLeaks fails if anything of this run remains, and removes it all the same.
func checkLeaks() error {
	found, err := leaks()
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range found {
		errs = append(errs, fmt.Errorf("left behind: %s %s of cluster %s", l.kind, l.name, l.cluster))
	}
	images := dockerRun("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=skiff-e2e/*"+run.id+"*")
	if images.Code != 0 {
		errs = append(errs, fmt.Errorf("%s", images))
	}
	for ref := range strings.FieldsSeq(images.Stdout) {
		errs = append(errs, fmt.Errorf("left behind: image %s", ref))
		if removed := dockerRun("image", "rm", "--force", ref); removed.Code != 0 {
			errs = append(errs, fmt.Errorf("%s", removed))
		}
	}
	if err := checkUsersKubeconfig(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, sweep(found))...)
}

// checkUsersKubeconfig fails if a scenario wrote to the kubeconfig of whoever runs the tests.
func checkUsersKubeconfig() error {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil // nowhere to write to
	}
	path := filepath.Join(home, ".kube", "config")
	if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), "skiff-"+run.prefix()) {
		return fmt.Errorf("left behind: entries of this run in %s", path)
	}
	return nil
}

// sweep removes leftovers without skiff's help: containers first, because they hold the rest.
func sweep(found []leak) error {
	var errs []error
	for _, kind := range []string{"container", "network", "volume"} {
		for _, l := range found {
			if l.kind != kind {
				continue
			}
			args := []string{kind, "rm", l.name}
			if kind == "container" {
				args = []string{kind, "rm", "--force", "--volumes", l.name}
			}
			if out := dockerRun(args...); out.Code != 0 && !strings.Contains(strings.ToLower(out.Stderr), "no such") {
				errs = append(errs, fmt.Errorf("%s", out))
			}
		}
	}
	return errors.Join(errs...)
}
