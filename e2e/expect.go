//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Exit codes of skiff, as `skiff help exit-codes` promises them to scripts.
const (
	exitUsage      = 2
	exitNotFound   = 3
	exitExists     = 4
	exitDocker     = 5
	exitHost       = 6
	exitKubeconfig = 7
	exitNotReady   = 8
	exitManifest   = 9
	exitCanceled   = 130
)

// Fails fails the scenario unless a command failed with a code and said all of these words. Whatever fails must
// also end in a next step: the hint, which stands alone after an empty line.
func (s *Scenario) Fails(r Result, code int, words ...string) {
	s.Helper()
	if r.Code != code {
		s.Errorf("want exit code %d: %s", code, r)
		return
	}
	for _, word := range words {
		if !strings.Contains(r.Stderr, word) {
			s.Errorf("want %q in: %s", word, r)
		}
	}
	message, hint, found := strings.Cut(r.Stderr, "\n\n")
	if !found || !strings.Contains(message, "Error: ") || strings.TrimSpace(hint) == "" {
		s.Errorf("it does not end in a next step: %s", r)
	}
	for _, leak := range []string{"panic:", "goroutine ", "%!", "<nil>"} {
		if strings.Contains(r.Stderr, leak) {
			s.Errorf("this is not for users: %s", r)
		}
	}
}

// remains lists what there is of the cluster in Docker: "container NAME", by label and by name.
func (c *Cluster) remains() []string {
	c.Helper()
	var found []string
	for kind, list := range map[string][]string{
		"container": {"ps", "--all", "--format", "{{.Names}}"},
		"network":   {"network", "ls", "--format", "{{.Name}}"},
		"volume":    {"volume", "ls", "--format", "{{.Name}}"},
	} {
		seen := map[string]bool{}
		for _, filter := range []string{"label=" + nodeapi.LabelCluster + "=" + c.Name, "name=skiff-" + c.Name} {
			for name := range strings.FieldsSeq(c.Docker(append(list, "--filter", filter)...)) {
				if !seen[name] {
					seen[name] = true
					found = append(found, kind+" "+name)
				}
			}
		}
	}
	return found
}

// Gone fails the scenario if anything of the cluster is in Docker or in its kubeconfig.
func (c *Cluster) Gone() {
	c.Helper()
	if found := c.remains(); len(found) != 0 {
		c.Errorf("left behind: %v", found)
	}
	data, err := os.ReadFile(c.Kubeconfig)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.Error(err)
	}
	if strings.Contains(string(data), c.ContextName()) {
		c.Errorf("left behind in the kubeconfig:\n%s", data)
	}
}

// SkiffJSON runs skiff with --output json and reads what it prints.
func (c *Cluster) SkiffJSON(to any, args ...string) {
	c.Helper()
	out := c.Skiff(append(args, "--output", "json")...)
	c.Must(json.Unmarshal([]byte(out), to), "read the output of skiff %v: %s", args, out)
}

// decode reads what a command printed as JSON, also if it failed.
func decode(r Result, to any) error {
	if err := json.Unmarshal([]byte(r.Stdout), to); err != nil {
		return fmt.Errorf("%w: %s", err, r)
	}
	return nil
}

// WriteFile writes a file of the scenario and returns its path.
func (s *Scenario) WriteFile(path, content string, mode os.FileMode) string {
	s.Helper()
	s.Must(os.WriteFile(path, []byte(content), mode), "write %s", path)
	s.Must(os.Chmod(path, mode), "set the mode of %s", path)
	return path
}

// ReadFile reads a file.
func (s *Scenario) ReadFile(path string) string {
	s.Helper()
	data, err := os.ReadFile(path)
	s.Must(err, "read a file")
	return string(data)
}
