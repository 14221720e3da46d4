//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCustomResource(t *testing.T) {
	c := Shared(t, "A custom resource is served with its schema, defaults, subresources and columns, and goes with its definition")
	group := c.Namespace + ".e2e.skiff.dev"
	vars := Vars{"Group": group}
	c.Apply("extend/crd.yaml", vars)
	t.Cleanup(func() {
		crd := command{env: c.env(), args: []string{mustKubectl(t), "--context", c.ContextName(), "delete", "crd", "boats." + group, "--ignore-not-found", "--wait=false"}}
		if r := crd.run(context.Background()); r.Code != 0 && !(t.Failed() && run.keepFailed) {
			t.Errorf("%s", r)
		}
	})
	c.Eventually("the definition is established", func(ctx context.Context) error {
		// A definition so new that its conditions are null makes this kubectl fail instead of wait.
		r := c.kubectl("", "wait", "--for=condition=Established", "crd/boats."+group, "--timeout=10s").run(ctx)
		return want(r.Code == 0, "%s", r)
	})

	c.Step("a good object is stored, with its default")
	c.Eventually("the resource is served", func(ctx context.Context) error {
		r := c.kubectl(c.Manifest("extend/boat.yaml", Vars{"Group": group, "Sails": "2"}), "apply", "--filename=-").run(ctx)
		return want(r.Code == 0, "%s", r)
	})
	if got := c.Kubectl("get", "boats."+group, "dinghy", "--output=jsonpath={.spec.hull}"); got != "wood" {
		t.Errorf("the hull is %q, not its default", got)
	}
	if got := c.Kubectl("get", "boats."+group); !strings.Contains(got, "SAILS") {
		t.Errorf("its own column is missing: %s", got)
	}
	if got := c.Kubectl("explain", "boats.spec", "--api-version="+group+"/v1"); !strings.Contains(got, "how many sails it has") {
		t.Errorf("explain: %s", got)
	}

	c.Step("bad ones are refused: by type, by range, by rule, by an unknown field")
	for _, bad := range []struct{ sails, reason string }{
		{`"two"`, "must be of type integer"},
		{"-1", "should be greater than or equal to 0"},
		{"7", "no boat has seven sails"},
		{"2\n  wheels: 4", `unknown field "spec.wheels"`},
	} {
		manifest := c.Manifest("extend/boat.yaml", Vars{"Group": group, "Sails": bad.sails})
		r := c.kubectl(manifest, "apply", "--validate=strict", "--filename=-").run(t.Context())
		if r.Code == 0 || !strings.Contains(r.Stderr, bad.reason) {
			t.Errorf("sails: %s: want %q: %s", bad.sails, bad.reason, r)
		}
	}

	c.Step("status is a subresource, and scale works")
	c.Kubectl("patch", "boats."+group, "dinghy", "--subresource=status", "--type=merge", "--patch", `{"status":{"afloat":true}}`)
	c.Kubectl("scale", "boats."+group+"/dinghy", "--replicas=3")
	if got := c.Kubectl("get", "boats."+group, "dinghy", "--output=jsonpath={.status.afloat} {.spec.sails}"); got != "true 3" {
		t.Errorf("%q", got)
	}

	c.Step("with the definition the objects go")
	c.Kubectl("delete", "crd", "boats."+group)
	if r := c.TryKubectl("get", "boats."+group); r.Code == 0 {
		t.Errorf("%s", r)
	}
}

func mustKubectl(t *testing.T) string {
	t.Helper()
	program, err := kubectlProgram()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestServerSideApply(t *testing.T) {
	c := Shared(t, "Server-side apply keeps two owners from overwriting each other")
	manifest := func(colour string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {colour: " + colour + "}\n"
	}
	c.KubectlInput(manifest("blue"), "apply", "--server-side", "--field-manager=first", "--filename=-")

	c.Step("another owner meets a conflict, which names the first")
	r := c.kubectl(manifest("red"), "apply", "--server-side", "--field-manager=second", "--filename=-").run(t.Context())
	if r.Code == 0 || !strings.Contains(r.Stderr, `conflict with "first"`) {
		t.Errorf("%s", r)
	}
	c.Step("and may take the field over by force")
	c.KubectlInput(manifest("red"), "apply", "--server-side", "--field-manager=second", "--force-conflicts", "--filename=-")
	c.Step("a field that nobody else owns does not conflict, and goes when its owner gives it up")
	third := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\n"
	c.KubectlInput(third+"data: {size: big}\n", "apply", "--server-side", "--field-manager=third", "--filename=-")
	if got := c.Kubectl("get", "configmap", "shared", "--output=jsonpath={.data}"); got != `{"colour":"red","size":"big"}` {
		t.Errorf("%s", got)
	}
	c.KubectlInput(third, "apply", "--server-side", "--field-manager=third", "--filename=-")
	if got := c.Kubectl("get", "configmap", "shared", "--output=jsonpath={.data}"); got != `{"colour":"red"}` {
		t.Errorf("%s", got)
	}
}

func TestAdmissionWebhook(t *testing.T) {
	c := Shared(t, "A validating webhook that runs in a pod is asked, and its refusal is shown")
	ca := c.ServingCert("webhook-tls", "webhook")
	c.Apply("extend/webhook.yaml", Vars{"CA": base64.StdEncoding.EncodeToString(ca)})
	t.Cleanup(func() {
		hooks := c.Client().AdmissionregistrationV1().ValidatingWebhookConfigurations()
		if err := hooks.Delete(context.Background(), c.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete the webhook's configuration: %v", err)
		}
	})
	c.RolledOut("deployment/webhook")
	c.HasEndpoints("webhook", 1)

	c.Step("what it forbids is refused, with its words")
	c.Eventually("the API server asks the webhook", func(ctx context.Context) error {
		r := c.kubectl("", "create", "configmap", "bad", "--from-literal=forbidden=1", "--dry-run=server").run(ctx)
		return want(r.Code != 0 && strings.Contains(r.Stderr, `the key "forbidden" is forbidden here`), "%s", r)
	})
	c.Step("what it allows is not")
	c.Kubectl("create", "configmap", "good", "--from-literal=allowed=1")
	if got := c.Kubectl("logs", "deployment/webhook"); !strings.Contains(got, "good allowed=true") {
		t.Errorf("the webhook did not see it: %s", got)
	}
	c.Step("without its pods the policy Fail refuses everything")
	c.Kubectl("scale", "deployment/webhook", "--replicas=0")
	c.HasEndpoints("webhook", 0)
	c.Eventually("the webhook cannot be reached", func(ctx context.Context) error {
		r := c.kubectl("", "create", "configmap", "any", "--from-literal=allowed=1", "--dry-run=server").run(ctx)
		return want(r.Code != 0 && strings.Contains(r.Stderr, "failed calling webhook"), "%s", r)
	})
}

func TestAggregatedAPI(t *testing.T) {
	c := Shared(t, "An API server in a pod extends the API, and can trust what it is told of the user")
	ca := c.ServingCert("api-tls", "api")
	auth, err := c.Client().CoreV1().ConfigMaps("kube-system").Get(t.Context(), "extension-apiserver-authentication", metav1.GetOptions{})
	c.Must(err, "get what extension API servers must know")
	c.KubectlInput(auth.Data["requestheader-client-ca-file"], "create", "configmap", "front-proxy", "--from-file=ca.crt=/dev/stdin")
	c.Apply("extend/apiserver.yaml", Vars{"CA": base64.StdEncoding.EncodeToString(ca)})
	const service = "v1.e2e.skiff.dev"
	t.Cleanup(func() {
		r := command{env: c.env(), args: []string{mustKubectl(t), "--context", c.ContextName(), "delete", "apiservice", service}}.run(context.Background())
		if r.Code != 0 {
			t.Errorf("%s", r)
		}
	})
	c.Kubectl("wait", "--for=condition=Available", "apiservice/"+service, "--timeout="+eventually.String())

	c.Step("its resource is found by discovery, and read like any other")
	c.Eventually("discovery lists the resource", func(ctx context.Context) error {
		r := c.kubectl("", "api-resources", "--api-group=e2e.skiff.dev").run(ctx)
		return want(strings.Contains(r.Stdout, "greetings"), "%s", r)
	})
	c.Step("and it learns who asks")
	got := c.Kubectl("get", "greetings.e2e.skiff.dev", "hello", "--output=jsonpath={.spec.user} {.spec.groups}")
	if !strings.Contains(got, "system:masters") {
		t.Errorf("it was told that the user is %q", got)
	}
	c.Step("the main API server's RBAC rules over it")
	c.Kubectl("create", "serviceaccount", "nobody")
	r := c.TryKubectl("get", "greetings.e2e.skiff.dev", "--as=system:serviceaccount:"+c.Namespace+":nobody")
	if r.Code == 0 || !strings.Contains(r.Stderr, "forbidden") {
		t.Errorf("%s", r)
	}
	c.Step("whoever goes past the main API server is refused")
	if _, err := c.TryExec(t.Context(), "deployment/api", "get", "--insecure",
		"https://localhost:8443/apis/e2e.skiff.dev/v1/namespaces/default/greetings"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a client without a certificate: %v", err)
	}
}
