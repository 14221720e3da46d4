//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestExampleHello(t *testing.T) {
	c := New(t, "examples/hello/up.sh brings up a cluster with a server that answers, as often as it is run").NewCluster("")
	image := "skiff-e2e/hello-" + run.id + ":dev"
	t.Cleanup(func() { dockerRun("image", "rm", "--force", image) })
	script := filepath.Join(run.root, "..", "examples", "hello", "up.sh")
	up := func() Result {
		t.Helper()
		r := command{env: append(c.env(), "HELLO_IMAGE="+image), args: []string{script, run.skiff}}.run(t.Context())
		if r.Code != 0 {
			t.Fatalf("%s", r)
		}
		return r
	}
	answers := func() {
		t.Helper()
		got, err := c.Raw(t.Context(), "/api/v1/namespaces/default/services/hello:80/proxy/")
		if err != nil || !strings.HasPrefix(got, "Hello from hello-") {
			t.Errorf("%q, %v", got, err)
		}
	}

	c.Step("once")
	first := up()
	answers()
	for _, help := range []string{"Hello from hello-", "port-forward", "kubectl get pods", "skiff-" + c.Name} {
		if !strings.Contains(first.Stdout, help) {
			t.Errorf("it does not tell %q:\n%s", help, first.Stdout)
		}
	}
	pods := func() string {
		return c.Kubectl("get", "pods", "--selector=app=hello", "--output=jsonpath={.items[*].metadata.uid}")
	}
	before := pods()

	c.Step("again: nothing changes")
	up()
	answers()
	if after := pods(); after != before {
		t.Errorf("the pods were replaced: %s, then %s", before, after)
	}

	c.Step("after its node was stopped")
	c.Docker("stop", c.Node())
	up()
	answers()
}
