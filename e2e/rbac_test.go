//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestRBAC(t *testing.T) {
	c := Shared(t, "A service account may do what its role says, in its namespace, and nothing else")
	c.Kubectl("create", "serviceaccount", "reader")
	c.Kubectl("create", "role", "read-pods", "--verb=get,list", "--resource=pods")
	c.Kubectl("create", "rolebinding", "reader", "--role=read-pods", "--serviceaccount="+c.Namespace+":reader")
	token, err := c.Client().CoreV1().ServiceAccounts(c.Namespace).CreateToken(t.Context(), "reader",
		&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	c.Must(err, "create a token")
	reader := c.as(func(config *rest.Config) { config.BearerToken = token.Status.Token })

	c.Step("with its token it lists pods, and is refused the rest by name")
	c.Eventually("the role is in force", func(ctx context.Context) error {
		_, err := reader.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		return err
	})
	_, err = reader.CoreV1().Secrets(c.Namespace).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "system:serviceaccount:"+c.Namespace+":reader") {
		t.Errorf("list secrets: %v", err)
	}
	if err := reader.CoreV1().Pods(c.Namespace).Delete(t.Context(), "any", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("delete a pod: %v", err)
	}
	if _, err := reader.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("list pods elsewhere: %v", err)
	}
	wrong := c.as(func(config *rest.Config) { config.BearerToken = token.Status.Token + "x" })
	if _, err := wrong.CoreV1().Pods(c.Namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("with a forged token: %v", err)
	}

	c.Step("kubectl auth can-i knows it all in advance")
	as := "--as=system:serviceaccount:" + c.Namespace + ":reader"
	if r := c.TryKubectl("auth", "can-i", "list", "pods", as); r.Stdout != "yes\n" {
		t.Errorf("%s", r)
	}
	if r := c.TryKubectl("auth", "can-i", "list", "secrets", as); r.Stdout != "no\n" || r.Code == 0 {
		t.Errorf("%s", r)
	}

	c.Step("a pod of that account has the same rights, through the kubernetes Service")
	api := "https://kubernetes.default.svc/api/v1/namespaces/" + c.Namespace
	pod := c.NewPod("inside", "get", "--account", api+"/pods")
	pod.Spec.ServiceAccountName = "reader"
	if got := c.Output(pod); !strings.Contains(got, `"kind":"PodList"`) {
		t.Errorf("%s", clip(got))
	}
	pod = c.NewPod("refused", "get", "--account", api+"/secrets")
	pod.Spec.ServiceAccountName = "reader"
	c.CreatePod(pod)
	c.Ended("refused", corev1.PodFailed)
	if got := c.Kubectl("logs", "refused"); !strings.Contains(got, "403 Forbidden") {
		t.Errorf("%s", got)
	}
}

func TestNamespaces(t *testing.T) {
	c := Shared(t, "Namespaces keep things apart, limit them, and take them along when they go")
	other := c.Namespace + "-b"
	c.Kubectl("create", "namespace", other)
	t.Cleanup(func() {
		err := c.Client().CoreV1().Namespaces().Delete(context.Background(), other, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("delete namespace %s: %v", other, err)
		}
	})

	c.Step("one name in two namespaces is two objects")
	c.Kubectl("create", "configmap", "same", "--from-literal=where=here")
	c.Kubectl("--namespace", other, "create", "configmap", "same", "--from-literal=where=there")
	if got := c.Kubectl("get", "configmap", "same", "--output=jsonpath={.data.where}"); got != "here" {
		t.Errorf("%q", got)
	}

	c.Step("a quota refuses the pod that is one too many")
	c.Kubectl("create", "quota", "few", "--hard=pods=1")
	c.Eventually("the quota is in force", func(ctx context.Context) error {
		q, err := c.Client().CoreV1().ResourceQuotas(c.Namespace).Get(ctx, "few", metav1.GetOptions{})
		if err != nil {
			return err
		}
		return want(len(q.Status.Hard) == 1, "%+v", q.Status)
	})
	c.CreatePod(c.NewPod("first", "sleep"))
	_, err := c.Client().CoreV1().Pods(c.Namespace).Create(t.Context(), c.NewPod("second", "sleep"), metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "exceeded quota: few") {
		t.Errorf("the second pod: %v", err)
	}

	c.Step("pod security refuses a privileged pod where only restricted ones may be")
	c.Kubectl("label", "namespace", other, "pod-security.kubernetes.io/enforce=restricted")
	privileged := c.NewPod("privileged", "sleep")
	privileged.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
	_, err = c.Client().CoreV1().Pods(other).Create(t.Context(), privileged, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a privileged pod: %v", err)
	}

	c.Step("a namespace is gone with all that was in it")
	c.Kubectl("delete", "namespace", other, "--timeout="+eventually.String())
	if r := c.TryKubectl("--namespace", other, "get", "configmap", "same"); r.Code == 0 {
		t.Errorf("%s", r)
	}
}

// as returns a client without the administrator's certificate, with what change adds.
func (c *Cluster) as(change func(*rest.Config)) kubernetes.Interface {
	c.Helper()
	config := rest.AnonymousClientConfig(c.Config())
	change(config)
	client, err := kubernetes.NewForConfig(config)
	c.Must(err, "make a client")
	return client
}
