//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestApplyClusterFile(t *testing.T) {
	c := Own(t, 1, "A cluster becomes what its file says, and what that does not affect is not restarted").NewCluster("")
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	apply := func(content string, args ...string) Result {
		t.Helper()
		c.WriteFile(file, "apiVersion: skiff.dev/v1alpha1\nkind: Cluster\n"+content, 0o600)
		return c.TrySkiff(append([]string{"apply", "--file", file}, args...)...)
	}
	done := func(content string) {
		t.Helper()
		if r := apply(content, "--yes"); r.Code != 0 {
			t.Fatalf("%s", r)
		}
		if r := apply(content); r.Code != 0 || !strings.Contains(r.Stderr, "nothing to do") {
			t.Errorf("applied again: %s", r)
		}
	}

	c.Step("without a cluster, the file makes one, once somebody says so")
	const first = "nodes:\n- role: server\n- role: agent\n"
	c.Fails(apply(first, "--quiet"), 2, "nobody to ask")
	done(first)
	c.LoadImages()
	pod := c.on(c.Agent(1), c.NewPod("lasting", "sleep"))
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	c.CreatePod(pod)
	before := c.PodReady(pod.Name).Status.ContainerStatuses[0]
	runs := c.runs(c.Node(), c.Agent(1))

	c.Step("one more agent, labels, and an argument of all kubelets")
	const second = "kubernetes: {extraArgs: {kubelet: {max-pods: 77}}}\nnodes:\n- role: server\n- role: agent\n  count: 2\n  labels: {example.test/disk: fast}\n"
	if r := apply(second, "--dry-run"); r.Code != 0 || !strings.Contains(r.Stdout, "rolling") || !strings.Contains(r.Stdout, "in place") {
		t.Errorf("the plan: %s", r)
	}
	done(second)
	if now := c.runs(c.Node(), c.Agent(1)); now != runs {
		t.Errorf("containers of nodes were restarted: %s, before %s", now, runs)
	}
	if after := c.PodReady(pod.Name).Status.ContainerStatuses[0]; after.RestartCount != 0 || after.ContainerID != before.ContainerID {
		t.Errorf("the pod did not go on: %+v", after)
	}
	for _, name := range []string{c.Node(), c.Agent(1), c.Agent(2)} {
		n, err := c.Client().CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
		c.Must(err, "get node %s", name)
		if pods := n.Status.Capacity.Pods().String(); pods != "77" {
			t.Errorf("%s has room for %s pods", name, pods)
		}
		if disk := n.Labels["example.test/disk"]; (disk == "fast") != (name != c.Node()) {
			t.Errorf("%s has the label %q", name, disk)
		}
	}

	c.Step("what is there already starts nothing")
	starts := c.starts()
	done(second)
	if now := c.starts(); now != starts {
		t.Errorf("something was started:\n%s\nbefore\n%s", now, starts)
	}

	c.Step("another size of the agents: they are restarted one after the other, and the server is not")
	runs = c.runs(c.Node())
	agents := c.runs(c.Agent(1), c.Agent(2))
	done(strings.Replace(second, "  count: 2\n", "  count: 2\n  memory: 512Mi\n", 1))
	if now := c.runs(c.Node()); now != runs {
		t.Errorf("the server was restarted: %s, before %s", now, runs)
	}
	if now := c.runs(c.Agent(1), c.Agent(2)); now == agents {
		t.Errorf("the agents were not restarted: %s", now)
	}
	for _, number := range []int{1, 2} {
		c.Eventually("the agent has its size, and takes pods", func(ctx context.Context) error {
			n, err := c.Client().CoreV1().Nodes().Get(ctx, c.Agent(number), metav1.GetOptions{})
			if err != nil {
				return err
			}
			return want(n.Status.Capacity.Memory().String() == "512Mi" && !n.Spec.Unschedulable && len(n.Spec.Taints) == 0, "%v, %v", n.Status.Capacity, n.Spec)
		})
	}
	c.Eventually("a pod that nobody makes again starts again with its node", func(ctx context.Context) error {
		p, err := c.Pod(ctx, pod.Name)
		if err != nil {
			return err
		}
		return want(p.UID != "" && isReady(p) && p.Status.ContainerStatuses[0].RestartCount > 0, "%s", DescribePod(p))
	})

	c.Step("an argument that a component refuses: the node gets back what it had, and no other is touched")
	agents = c.runs(c.Agent(1), c.Agent(2))
	c.Fails(apply(strings.Replace(second, "77", "many", 1), "--yes", "--quiet"), 8, "again as it was", "max-pods")
	c.Eventually("the API answers", func(context.Context) error {
		r := c.TryKubectl("get", "nodes")
		return want(r.Code == 0, "%s", r)
	})
	if now := c.runs(c.Agent(1), c.Agent(2)); now != agents {
		t.Errorf("the agents were restarted: %s, before %s", now, agents)
	}

	c.Step("networks are refused, and nothing else of the file is done")
	c.Fails(apply("network: {podCIDRs: [10.99.0.0/16]}\nnodes:\n- role: server\n", "--yes", "--quiet"), 2, "network.podCIDRs", "skiff delete")

	c.Step("no agents any more: pods may run on the server again")
	done("nodes:\n- role: server\n")
	if nodes := strings.Fields(c.Kubectl("get", "nodes", "--output=name")); len(nodes) != 1 {
		t.Errorf("nodes %q", nodes)
	}
	c.RunPod("on-server", "env", "KUBERNETES_SERVICE_HOST")
}

// runs says which containers some nodes are, and since when they run.
func (c *Cluster) runs(nodes ...string) string {
	c.Helper()
	return c.Docker(append([]string{"inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}"}, nodes...)...)
}
