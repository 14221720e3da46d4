//go:build e2e

package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestHelm(t *testing.T) {
	c := Shared(t, "Helm installs, tests, upgrades, rolls back and removes a chart")
	program, err := helmProgram()
	c.Must(err, "get Helm")
	home := t.TempDir()
	try := func(args ...string) Result {
		env := append(c.env(), "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home)
		all := append([]string{program, "--kube-context", c.ContextName(), "--namespace", c.Namespace}, args...)
		return command{env: env, args: all}.run(t.Context())
	}
	helm := func(args ...string) string {
		t.Helper()
		r := try(args...)
		if r.Code != 0 {
			t.Fatalf("%s", r)
		}
		return r.Stdout
	}
	chart := filepath.Join(run.root, "testdata", "helm", "chart")
	limit := "--timeout=" + eventually.String()
	answer := func() string {
		body, err := c.Raw(t.Context(), "/api/v1/namespaces/"+c.Namespace+"/services/web:80/proxy/")
		c.Must(err, "ask the service")
		version, _, _ := strings.Cut(body, " ")
		return version
	}

	c.Step("install, which waits for the hook before and the pods after")
	helm("install", "web", chart, "--set", "image="+Image(1), "--wait", limit)
	if got := answer(); got != "v1" {
		t.Errorf("it answers %q", got)
	}
	if logs := c.Kubectl("logs", "job/web-before"); logs != "VERSION=v1\n" {
		t.Errorf("the hook printed %q", logs)
	}
	c.Step("test")
	helm("test", "web", limit)

	c.Step("upgrade")
	helm("upgrade", "web", chart, "--reuse-values", "--set", "image="+Image(2)+",replicas=2,greeting=bonjour", "--wait", limit)
	c.HasEndpoints("web", 2)
	if got := answer(); got != "v2" {
		t.Errorf("it answers %q", got)
	}
	greeting := func() string { return c.Kubectl("get", "configmap", "web", "--output=jsonpath={.data.greeting}") }
	if got := greeting(); got != "bonjour" {
		t.Errorf("greeting: %q", got)
	}

	c.Step("an upgrade that does not become ready fails, and is rolled back by itself")
	if r := try("upgrade", "web", chart, "--reuse-values", "--set", "broken=true", "--rollback-on-failure", "--timeout=10s"); r.Code == 0 {
		t.Errorf("%s", r)
	}
	c.RolledOut("deployment/web")
	if got := answer(); got != "v2" {
		t.Errorf("it answers %q", got)
	}

	c.Step("roll back to the first revision")
	helm("rollback", "web", "1", "--wait", limit)
	c.HasEndpoints("web", 1)
	if got := answer() + " " + greeting(); got != "v1 hello" {
		t.Errorf("%q", got)
	}
	var history []struct{ Revision int }
	c.Must(json.Unmarshal([]byte(helm("history", "web", "--output=json")), &history), "read the history")
	if len(history) != 5 {
		t.Errorf("history: %+v", history)
	}

	c.Step("uninstall: nothing of it is left")
	helm("uninstall", "web", "--wait", limit)
	if left := c.Kubectl("get", "deployments,services,secrets,configmaps", "--output=name"); left != "configmap/kube-root-ca.crt\n" {
		t.Errorf("left: %s", left)
	}
}
