//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSelfHealing(t *testing.T) {
	c := Shared(t, "What is killed comes back: processes, pods, and pods with a name of their own")
	c.Apply("healing/workloads.yaml", nil)
	c.RolledOut("deployment/web")
	c.RolledOut("statefulset/db")
	c.RolledOut("daemonset/agent")

	c.Step("a deleted pod of a Deployment is replaced by another")
	before := c.HasEndpoints("web", 2)
	victim := c.podAt(before[0])
	c.Kubectl("delete", "pod", victim, "--wait=false")
	c.Eventually("two other pods serve", func(ctx context.Context) error {
		after, err := c.Endpoints(ctx, "web")
		if err != nil {
			return err
		}
		return want(len(after) == 2 && !strings.Contains(strings.Join(after, " ")+" ", before[0]+" "), "%v", after)
	})

	c.Step("a killed process is started again in its pod, with its volume")
	c.Exec("db-0", "write", "/data/file", "kept")
	uid := c.PodReady("db-0").UID
	c.killProcess("db-0")
	c.Eventually("the container was restarted", func(ctx context.Context) error {
		pod, err := c.Pod(ctx, "db-0")
		if err != nil {
			return err
		}
		return want(isReady(pod) && pod.UID == uid && pod.Status.ContainerStatuses[0].RestartCount == 1, "%s", DescribePod(pod))
	})
	if last := c.PodReady("db-0").Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 137 {
		t.Errorf("its last end: %+v", last)
	}
	if got := c.Exec("db-0", "cat", "/data/file"); got != "kept\n" {
		t.Errorf("its volume has %q", got)
	}

	c.Step("a pod of a StatefulSet comes back under its name")
	c.Kubectl("delete", "pod", "db-0")
	c.Eventually("another db-0 is Ready", func(ctx context.Context) error {
		pod, err := c.Pod(ctx, "db-0")
		if err != nil {
			return err
		}
		return want(isReady(pod) && pod.UID != uid, "%s", DescribePod(pod))
	})

	c.Step("a DaemonSet keeps its pod on the node")
	c.Kubectl("delete", "pod", "--selector=app=agent")
	c.RolledOut("daemonset/agent")

	c.Step("what belongs to a deleted Deployment goes with it")
	c.Kubectl("delete", "deployment", "web")
	c.Kubectl("wait", "--for=delete", "pods,replicasets", "--selector=app=web", "--timeout="+eventually.String())
}

// podAt returns the name of the pod with an address.
func (c *Cluster) podAt(address string) string {
	c.Helper()
	return c.Kubectl("get", "pods", "--field-selector=status.podIP="+address, "--output=jsonpath={.items[0].metadata.name}")
}

// killProcess kills the main process of a pod's container from the node, as a crash would.
func (c *Cluster) killProcess(pod string) {
	c.Helper()
	p, err := c.Pod(c.Context(), pod)
	c.Must(err, "get pod %s", pod)
	_, id, _ := strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
	// A container's only process is the one in the control group of its name.
	script := fmt.Sprintf(`for p in /proc/[0-9]*; do grep -qs %s $p/cgroup && kill -9 ${p#/proc/} && exit 0; done; exit 1`, id)
	c.InNode("sh", "-c", script)
}

func TestDisruptionBudget(t *testing.T) {
	c := Shared(t, "An eviction that would break a disruption budget is refused, and others are not")
	c.Apply("healing/workloads.yaml", nil)
	c.Kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2")
	c.RolledOut("deployment/web")
	evict := func() error {
		return c.Client().PolicyV1().Evictions(c.Namespace).Evict(t.Context(), &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: c.podAt(c.HasEndpoints("web", 2)[0]), Namespace: c.Namespace},
		})
	}
	c.budgetAllows(0)
	if err := evict(); !apierrors.IsTooManyRequests(err) {
		t.Errorf("with two pods, of which two must stay: %v", err)
	}
	c.Kubectl("patch", "poddisruptionbudget", "web", "--patch", `{"spec":{"minAvailable":1}}`)
	c.budgetAllows(1)
	if err := evict(); err != nil {
		t.Errorf("with two pods, of which one must stay: %v", err)
	}
}

// budgetAllows waits until the budget's controller has counted the pods.
func (c *Cluster) budgetAllows(count int32) {
	c.Helper()
	c.Eventually(fmt.Sprintf("the budget allows %d evictions", count), func(ctx context.Context) error {
		b, err := c.Client().PolicyV1().PodDisruptionBudgets(c.Namespace).Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		s := b.Status
		return want(s.ObservedGeneration == b.Generation && s.CurrentHealthy == 2 && s.DisruptionsAllowed == count, "%+v", s)
	})
}
