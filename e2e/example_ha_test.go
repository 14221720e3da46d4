//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestExampleHA runs the tour as a newcomer does. It stops at the first thing that is not as it says, so it has to end.
func TestExampleHA(t *testing.T) {
	c := Own(t, room, "examples/ha/tour.sh shows a cluster that survives the loss of its machines").NewCluster("")
	image := "skiff-e2e/hello-" + run.id + "-ha:dev"
	t.Cleanup(func() { dockerRun("image", "rm", "--force", image) })
	script := filepath.Join(run.root, "..", "examples", "ha", "tour.sh")
	r := command{env: append(c.env(), "HELLO_IMAGE="+image), args: []string{script, run.skiff}}.run(t.Context())
	if r.Code != 0 {
		t.Fatalf("%s", r)
	}
	for _, shown := range []string{"A server is killed", "An agent stops", "The application answers: Hello from hello-", "skiff node"} {
		if !strings.Contains(r.Stdout, shown) {
			t.Errorf("it does not show %q:\n%s", shown, r.Stdout)
		}
	}
}
