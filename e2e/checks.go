//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scenarioLabel is on every pod that a scenario makes itself.
const scenarioLabel = "scenario"

// NewPod returns a pod of one container, "main", that runs testbox with arguments, and is not started again.
func (c *Cluster) NewPod(name string, args ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{scenarioLabel: name}},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers:                    []corev1.Container{{Name: "main", Image: Image(1), Args: args}},
		},
	}
}

// CreatePod creates a pod.
func (c *Cluster) CreatePod(pod *corev1.Pod) {
	c.Helper()
	_, err := c.Client().CoreV1().Pods(c.Namespace).Create(c.Context(), pod, metav1.CreateOptions{})
	c.Must(err, "create pod %s", pod.Name)
}

// Output runs a pod to its success and returns what it printed.
func (c *Cluster) Output(pod *corev1.Pod) string {
	c.Helper()
	c.CreatePod(pod)
	c.Eventually("pod "+pod.Name+" succeeds", func(ctx context.Context) error {
		p, err := c.Pod(ctx, pod.Name)
		if err != nil {
			return err
		}
		if p.Status.Phase == corev1.PodFailed {
			c.Fatalf("pod %s failed: %s\n%s", pod.Name, DescribePod(p), c.TryKubectl("logs", pod.Name, "--all-containers"))
		}
		return want(p.Status.Phase == corev1.PodSucceeded, "%s", DescribePod(p))
	})
	return c.Kubectl("logs", pod.Name, "--container=main")
}

// RunPod is [Cluster.Output] of [Cluster.NewPod].
func (c *Cluster) RunPod(name string, args ...string) string {
	c.Helper()
	return c.Output(c.NewPod(name, args...))
}

// ClientPod starts a pod to run commands from, with [Cluster.Exec].
func (c *Cluster) ClientPod(name string) {
	c.Helper()
	c.CreatePod(c.NewPod(name, "sleep"))
	c.PodReady(name)
}

// Exec runs testbox in a pod and returns its output.
func (c *Cluster) Exec(pod string, args ...string) string {
	c.Helper()
	return c.Kubectl(append([]string{"exec", pod, "--", "/testbox"}, args...)...)
}

// TryExec runs testbox in a pod, for use in [Scenario.Eventually].
func (c *Cluster) TryExec(ctx context.Context, pod string, args ...string) (string, error) {
	c.Helper()
	r := c.kubectl("", append([]string{"exec", pod, "--", "/testbox"}, args...)...).run(ctx)
	if r.Code != 0 {
		return "", errors.New(r.String())
	}
	return r.Stdout, nil
}

// Pod returns a pod as it is now.
func (c *Cluster) Pod(ctx context.Context, name string) (*corev1.Pod, error) {
	return c.Client().CoreV1().Pods(c.Namespace).Get(ctx, name, metav1.GetOptions{})
}

// PodReady waits until a pod is Ready, and returns it.
func (c *Cluster) PodReady(name string) *corev1.Pod {
	c.Helper()
	var pod *corev1.Pod
	c.Eventually("pod "+name+" is Ready", func(ctx context.Context) (err error) {
		if pod, err = c.Pod(ctx, name); err != nil {
			return err
		}
		return want(isReady(pod), "%s", DescribePod(pod))
	})
	return pod
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// DescribePod says in one line how a pod is, and why.
func DescribePod(p *corev1.Pod) string {
	parts := []string{fmt.Sprintf("phase %s %s %s", p.Status.Phase, p.Status.Reason, p.Status.Message)}
	for _, cond := range p.Status.Conditions {
		if cond.Status != corev1.ConditionTrue && cond.Message != "" {
			parts = append(parts, fmt.Sprintf("%s: %s", cond.Type, cond.Message))
		}
	}
	all := slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses)
	for _, cs := range all {
		switch {
		case cs.State.Waiting != nil:
			parts = append(parts, fmt.Sprintf("%s waits: %s %s", cs.Name, cs.State.Waiting.Reason, cs.State.Waiting.Message))
		case cs.State.Terminated != nil:
			parts = append(parts, fmt.Sprintf("%s ended with %d: %s %s", cs.Name, cs.State.Terminated.ExitCode, cs.State.Terminated.Reason, cs.State.Terminated.Message))
		case cs.State.Running != nil:
			parts = append(parts, fmt.Sprintf("%s runs, ready %t, restarts %d", cs.Name, cs.Ready, cs.RestartCount))
		}
	}
	return strings.Join(parts, "; ")
}

// RolledOut waits until a workload is as its newest specification says.
func (c *Cluster) RolledOut(workload string) {
	c.Helper()
	c.Kubectl("rollout", "status", workload, "--timeout="+eventually.String())
}

// Endpoints returns the addresses of the pods that a Service leads to now.
func (c *Cluster) Endpoints(ctx context.Context, service string) ([]string, error) {
	selector := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service}
	list, err := c.Client().DiscoveryV1().EndpointSlices(c.Namespace).List(ctx, selector)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && *e.Conditions.Ready {
				addresses = append(addresses, e.Addresses...)
			}
		}
	}
	slices.Sort(addresses)
	return addresses, nil
}

// HasEndpoints waits until a Service leads to so many pods, and returns their addresses.
func (c *Cluster) HasEndpoints(service string, count int) []string {
	c.Helper()
	var addresses []string
	c.Eventually(fmt.Sprintf("service %s leads to %d pods", service, count), func(ctx context.Context) (err error) {
		if addresses, err = c.Endpoints(ctx, service); err != nil {
			return err
		}
		return want(len(addresses) == count, "it leads to %v", addresses)
	})
	return addresses
}

// want is an error that says how things are, unless they are as wanted.
func want(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// Ended waits until a pod has ended in a phase.
func (c *Cluster) Ended(name string, phase corev1.PodPhase) *corev1.Pod {
	c.Helper()
	var pod *corev1.Pod
	c.Eventually(fmt.Sprintf("pod %s ends in phase %s", name, phase), func(ctx context.Context) (err error) {
		if pod, err = c.Pod(ctx, name); err != nil {
			return err
		}
		return want(pod.Status.Phase == phase, "%s", DescribePod(pod))
	})
	return pod
}
