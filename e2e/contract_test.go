//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// Nothing here waits: what the contract promises holds the moment create returns.
func TestReadinessContract(t *testing.T) {
	c := New(t, "When create returns, the cluster is ready: node, API, DNS, default service account").NewCluster("")
	c.Create()

	c.Step("the kubeconfig is private, and its context is selected")
	info, err := os.Stat(c.Kubeconfig)
	c.Must(err, "find the kubeconfig")
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the kubeconfig has mode %o", mode)
	}
	if current := c.Kubectl("config", "current-context"); current != c.ContextName()+"\n" {
		t.Errorf("the current context is %q", current)
	}

	c.Step("the API answers on the kubeconfig's address, with the version of upstream")
	if ready, err := c.Raw(t.Context(), "/readyz"); err != nil || ready != "ok" {
		t.Errorf("readyz: %q, %v", ready, err)
	}
	version, err := c.Client().Discovery().ServerVersion()
	c.Must(err, "ask for the version")
	if version.GitVersion != "v1.37.2" || version.GitTreeState != "clean" {
		t.Errorf("the server says it is %+v", version)
	}

	c.Step("every node is Ready, and says which version it runs")
	nodes, err := c.Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	c.Must(err, "list nodes")
	if len(nodes.Items) != 1 || nodes.Items[0].Name != c.Node() {
		t.Fatalf("nodes: %v", nodes.Items)
	}
	node := nodes.Items[0]
	if !nodeIs(&node, corev1.NodeReady) {
		t.Errorf("the node is not Ready: %+v", node.Status.Conditions)
	}
	if v := node.Status.NodeInfo; v.KubeletVersion != "v1.37.2" || v.ContainerRuntimeVersion == "" {
		t.Errorf("node info: %+v", v)
	}
	if len(node.Spec.Taints) != 0 {
		t.Errorf("the only node has taints: %v", node.Spec.Taints)
	}

	c.Step("the default service account exists, and the kube-dns Service has its endpoints")
	_, err = c.Client().CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{})
	c.Must(err, "get the default service account")
	dns, err := c.Client().CoreV1().Services("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
	c.Must(err, "get the kube-dns service")
	if dns.Spec.ClusterIP != "10.96.0.10" {
		t.Errorf("kube-dns is at %s", dns.Spec.ClusterIP)
	}

	c.Step("status agrees")
	var status cluster.Status
	c.Must(json.Unmarshal([]byte(c.Skiff("status", "--output", "json")), &status), "read the status")
	if !status.Ready || status.State != cluster.StateRunning || status.Endpoint != c.Config().Host {
		t.Errorf("status: %+v", status)
	}

	c.Step("a pod that asks DNS once, as the first thing it does, gets an answer")
	c.LoadImages()
	c.RunPod("resolve", "resolve", "kubernetes.default", "kubernetes.default.svc.cluster.local")

	c.Step("after delete nothing of it is left in the kubeconfig")
	c.Skiff("delete", c.Name)
	if names := c.Kubectl("config", "get-contexts", "--output=name"); names != "" {
		t.Errorf("contexts that are left: %s", names)
	}
}

func nodeIs(node *corev1.Node, condition corev1.NodeConditionType) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == condition {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
