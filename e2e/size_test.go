//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

func TestNodeSize(t *testing.T) {
	s := Own(t, 1, "A node with so many processors and so much memory reports that, is held to it, and survives pods that want more")
	c := s.NewCluster("")
	c.CreateFrom("size/cluster.yaml", nil)
	c.LoadImages()
	small, fraction := c.Agent(1), c.Agent(2)

	c.Step("each node reports its size; a part of a processor is a processor of which a part is not for pods")
	for _, node := range []struct{ name, cpu, memory, podCPU, podMemory string }{
		{c.Node(), "2", "2Gi", "2", "1548Mi"}, // 400Mi for the node itself, 100Mi never to be used up
		{small, "1", "512Mi", "500m", "359Mi"},
		{fraction, "2", "256Mi", "1500m", "116Mi"},
	} {
		n, err := c.Client().CoreV1().Nodes().Get(t.Context(), node.name, metav1.GetOptions{})
		c.Must(err, "get node %s", node.name)
		for what, values := range map[string][2]string{
			"processors": {n.Status.Capacity.Cpu().String(), node.cpu}, "memory": {n.Status.Capacity.Memory().String(), node.memory},
			"processors for pods": {n.Status.Allocatable.Cpu().String(), node.podCPU}, "memory for pods": {n.Status.Allocatable.Memory().String(), node.podMemory},
		} {
			if values[0] != values[1] {
				t.Errorf("%s of %s: %s, want %s", what, node.name, values[0], values[1])
			}
		}
		c.believesInItsMemory(node.name, node.memory)
	}

	c.Step("the scheduler goes by it")
	pod := c.NewPod("too-large", "sleep")
	pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: small}
	pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("600m")}
	c.CreatePod(pod)
	c.Eventually("a pod that wants more than the node has is not scheduled", func(ctx context.Context) error {
		p, err := c.Pod(ctx, pod.Name)
		if err != nil {
			return err
		}
		return want(strings.Contains(DescribePod(p), "Insufficient cpu"), "%s", DescribePod(p))
	})

	c.Step("pods that burn all the processor time they get are held to the node's")
	for node, limit := range map[string]int{small: 500, fraction: 1500} {
		out := strings.TrimSpace(c.Output(c.on(node, c.NewPod("burn-"+strconv.Itoa(limit), "burn", "-threads=4", "-for=5s"))))
		used, err := strconv.Atoi(out)
		c.Must(err, "read how much was used")
		if used > limit+limit/5 { // the kernel counts in slices, and gives a slice that was not used later
			t.Errorf("pods on %s had %d thousandths of a processor, and the node has %d", node, used, limit)
		}
		c.Logf("on %s: %d thousandths of a processor", node, used)
	}

	c.Step("a pod that takes more memory than its node has is killed")
	before := c.starts()
	neighbour := c.on(small, c.NewPod("neighbour", "sleep"))
	share := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")}
	neighbour.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: share, Limits: share}
	c.CreatePod(neighbour)
	c.PodReady(neighbour.Name)
	c.CreatePod(c.on(small, c.NewPod("glutton", "memory", "1024")))
	c.Eventually("the pod is killed", func(ctx context.Context) error {
		p, err := c.Pod(ctx, "glutton")
		if err != nil {
			return err
		}
		killed := p.Status.Reason == "Evicted" || strings.Contains(DescribePod(p), "OOMKilled")
		return want(p.Status.Phase == corev1.PodFailed && killed, "%s", DescribePod(p))
	})

	c.Step("a pod that leaves its node too little is evicted before it comes to that")
	// 512Mi without 128Mi for the node itself are 384Mi, of which 25Mi must stay free.
	hungry := c.on(small, c.NewPod("hungry", "memory", "358"))
	hungry.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}
	c.CreatePod(hungry)
	c.Eventually("the pod is evicted", func(ctx context.Context) error {
		p, err := c.Pod(ctx, "hungry")
		if err != nil {
			return err
		}
		// A pod that ends without an error when it is told to counts as succeeded, evicted or not.
		evicted := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.DisruptionTarget && c.Reason == corev1.PodReasonTerminationByKubelet
		})
		return want(evicted && p.Status.Phase != corev1.PodRunning, "%s", DescribePod(p))
	})

	c.Step("nodes, and pods that kept to their share, did not notice")
	c.Eventually("every node is Ready", func(ctx context.Context) error {
		nodes, err := c.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range nodes.Items {
			if !nodeIs(&nodes.Items[i], corev1.NodeReady) {
				return fmt.Errorf("node %s: %v", nodes.Items[i].Name, nodes.Items[i].Status.Conditions)
			}
		}
		return nil
	})
	if after := c.starts(); after != before {
		t.Errorf("something was started again: before\n%safter\n%s", before, after)
	}
	if p := c.PodReady(neighbour.Name); p.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the neighbour was started again: %s", DescribePod(p))
	}
}

// on binds a pod to a node.
func (c *Cluster) on(node string, pod *corev1.Pod) *corev1.Pod {
	pod.Spec.NodeName = node
	return pod
}

// believesInItsMemory fails the scenario unless a kubelet decides on evictions by the node's own size.
func (c *Cluster) believesInItsMemory(node, memory string) {
	c.Helper()
	var summary struct {
		Node struct {
			Memory struct{ AvailableBytes, WorkingSetBytes int64 }
		}
	}
	c.Eventually("the kubelet of "+node+" measures memory", func(ctx context.Context) error {
		text, err := c.Raw(ctx, "/api/v1/nodes/"+node+"/proxy/stats/summary")
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(text), &summary); err != nil {
			return err
		}
		return want(summary.Node.Memory.WorkingSetBytes > 0, "%s", text)
	})
	size := resource.MustParse(memory)
	if m := summary.Node.Memory; m.AvailableBytes+m.WorkingSetBytes != size.Value() {
		c.Errorf("kubelet of %s: %d bytes in use and %d available are not %s", node, m.WorkingSetBytes, m.AvailableBytes, memory)
	}
}

// starts says, a line each, how often what runs the nodes was started.
func (c *Cluster) starts() string {
	c.Helper()
	var status cluster.Status
	c.SkiffJSON(&status, "status")
	var b strings.Builder
	for _, node := range status.Nodes {
		if node.Report == nil {
			c.Fatalf("%s does not answer: %s", node.Name, node.Error)
		}
		fmt.Fprintf(&b, "%s since %s\n", node.Name, node.Report.Started)
		for _, component := range node.Report.Components {
			fmt.Fprintf(&b, "%s %s restarts %d pid %d\n", node.Name, component.Name, component.Restarts, component.PID)
		}
	}
	return b.String()
}
