//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

func TestAnonymousAccess(t *testing.T) {
	c := Shared(t, "Whoever shows no credentials learns the server's health and version, and no more")
	anonymous := c.as(func(*rest.Config) {})
	get := func(path string) error {
		return anonymous.Discovery().RESTClient().Get().AbsPath(path).Do(t.Context()).Error()
	}
	for _, path := range []string{"/healthz", "/livez", "/readyz", "/version"} {
		if err := get(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{
		"/api/v1/namespaces", "/api/v1/nodes", "/api/v1/secrets", "/apis/apps/v1/deployments", "/metrics", "/logs/",
		"/configz", "/debug/pprof/", "/api/v1/nodes/" + c.Node() + "/proxy/pods", "/openid/v1/jwks",
	} {
		if err := get(path); !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := anonymous.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"}},
	}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		t.Errorf("a review of its rights: %v", err)
	}
}

func TestKubeletAccess(t *testing.T) {
	c := Shared(t, "The kubelet answers those whom the API server knows and lets in, and proves who it is")
	c.ClientPod("client")
	node, err := c.Client().CoreV1().Nodes().Get(t.Context(), c.Node(), metav1.GetOptions{})
	c.Must(err, "get the node")
	url := ""
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			url = "https://" + a.Address + ":10250/pods"
		}
	}
	c.Step("without credentials it refuses")
	r := c.TryKubectl("exec", "client", "--", "/testbox", "get", "--insecure", url)
	if r.Code == 0 || !strings.Contains(r.Stderr, "401 Unauthorized") {
		t.Errorf("%s", r)
	}
	c.Step("with a token that has no right to it too, after its certificate was found good")
	r = c.TryKubectl("exec", "client", "--", "/testbox", "get", "--account", url)
	if r.Code == 0 || !strings.Contains(r.Stderr, "403 Forbidden") {
		t.Errorf("%s", r)
	}
	c.Step("with the right it answers")
	c.Kubectl("create", "serviceaccount", "operator")
	name := c.Namespace + "-kubelet"
	c.Kubectl("create", "clusterrolebinding", name, "--clusterrole=system:kubelet-api-admin", "--serviceaccount="+c.Namespace+":operator")
	t.Cleanup(func() {
		if err := c.Client().RbacV1().ClusterRoleBindings().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete the binding: %v", err)
		}
	})
	pod := c.NewPod("operator", "get", "--account", url)
	pod.Spec.ServiceAccountName = "operator"
	if got := c.Output(pod); !strings.Contains(got, `"kind":"PodList"`) {
		t.Errorf("%s", clip(got))
	}
}

func TestNodeRestriction(t *testing.T) {
	c := Shared(t, "A kubelet's credentials are good for its own node and what its pods use, and nothing else")
	read := func(file string) []byte { return []byte(c.InNode("cat", "/var/lib/skiff/pki/"+file)) }
	kubelet := c.as(func(config *rest.Config) {
		config.CertData, config.KeyData = read("kubelet-client.crt"), read("kubelet-client.key")
	})
	nodes := kubelet.CoreV1().Nodes()
	label := func(key string) error {
		patch := []byte(`{"metadata":{"labels":{"` + key + `":"x"}}}`)
		_, err := nodes.Patch(t.Context(), c.Node(), types.StrategicMergePatchType, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	c.Step("it may label its own node, except with labels that are kept for the administrator")
	c.Must(label("e2e.skiff.dev/mine"), "label its own node")
	if err := label("node-restriction.kubernetes.io/zone"); !apierrors.IsForbidden(err) {
		t.Errorf("a restricted label: %v", err)
	}
	c.Step("it may not touch another node, nor make one")
	other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "e2e-other"}}
	_, err := nodes.Create(t.Context(), other, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "is not allowed to modify node") {
		t.Errorf("create another node: %v", err)
	}
	c.Step("it reads the Secrets of its pods, and no others")
	for _, name := range []string{"used", "unused"} {
		c.Kubectl("create", "secret", "generic", name, "--from-literal=a=b")
	}
	pod := c.NewPod("user", "sleep")
	pod.Spec.Volumes = []corev1.Volume{{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "used"}}}}
	c.CreatePod(pod)
	c.PodReady("user")
	if _, err := kubelet.CoreV1().Secrets(c.Namespace).Get(t.Context(), "used", metav1.GetOptions{}); err != nil {
		t.Errorf("the secret of its pod: %v", err)
	}
	if _, err := kubelet.CoreV1().Secrets(c.Namespace).Get(t.Context(), "unused", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a secret that no pod of its uses: %v", err)
	}
	if _, err := kubelet.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("all secrets: %v", err)
	}
}
