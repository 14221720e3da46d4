//go:build e2e

package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// There may be no internet where this runs. A container with a name on the cluster's network is as external to the
// cluster as any host is: only Docker's own resolver knows it.
func TestExternalNames(t *testing.T) {
	c := Shared(t, "Pods resolve names outside the cluster, whatever their DNS policy")
	name := "probe-" + run.id
	c.Step("a container %s runs on the cluster's network", name)
	c.Docker("run", "--detach", "--name", name, "--network=skiff-"+c.Name, Image(1), "serve")
	t.Cleanup(func() { dockerRun("rm", "--force", "--volumes", name) })
	address := strings.TrimSpace(c.Docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name))

	for _, policy := range []corev1.DNSPolicy{corev1.DNSDefault, corev1.DNSClusterFirst} {
		c.Step("a pod with the policy %s resolves it, and reaches it", policy)
		resolve := c.NewPod("resolve-"+slug(string(policy)), "resolve", name+".")
		resolve.Spec.DNSPolicy = policy
		if got := c.Output(resolve); got != name+".: "+address+"\n" {
			t.Errorf("%q, want %s", got, address)
		}
	}
	if got := c.RunPod("reach", "get", "http://"+name+":8080/"); got == "" {
		t.Error("no answer")
	}
	c.Step("the policy Default knows nothing of the cluster's names")
	pod := c.NewPod("no-cluster-names", "resolve", "kubernetes.default.svc.cluster.local.")
	pod.Spec.DNSPolicy = corev1.DNSDefault
	c.CreatePod(pod)
	c.Ended(pod.Name, corev1.PodFailed)
}

func TestDNSMetrics(t *testing.T) {
	c := Shared(t, "Cluster DNS shows what it counts on the port where it is everywhere, and nothing that others count")
	out := c.RunPod("metrics", "get", "http://kube-dns.kube-system.svc.cluster.local:9153/metrics")
	for _, name := range []string{"coredns_dns_requests_total{", "coredns_cache_entries{", "coredns_plugin_enabled{"} {
		if !strings.Contains(out, "\n"+name) {
			t.Errorf("%s is not shown", name)
		}
	}
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") && (!strings.HasPrefix(line, "coredns_") || strings.Contains(line, "rest_client")) {
			t.Errorf("shows %s", line)
		}
	}
}
