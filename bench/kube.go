package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"
)

// namespace is where everything is applied.
const namespace = metav1.NamespaceDefault

// kube is a client of a cluster.
type kube struct{ kubernetes.Interface }

// connect makes a client out of what the cluster's program wrote.
func (c *cluster) connect() (*kube, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS = -1 // what is measured is the cluster, not our patience
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &kube{client}, nil
}

// podSpec runs the workload once.
func podSpec(image string, args ...string) corev1.PodSpec {
	grace := int64(1)
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		Containers: []corev1.Container{{
			Name: "workload", Image: image, ImagePullPolicy: corev1.PullNever, Args: args,
		}},
	}
}

// labelApp tells the pods of one deployment from others.
const labelApp = "app"

// deployment runs the workload a number of times.
func deployment(name string, replicas int, spec corev1.PodSpec) *appsv1.Deployment {
	count := int32(replicas)
	labels := map[string]string{labelApp: name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &count,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}
}

// deploy applies a deployment.
func (k *kube) deploy(ctx context.Context, d *appsv1.Deployment) error {
	_, err := k.AppsV1().Deployments(namespace).Create(ctx, d, metav1.CreateOptions{})
	return err
}

// accountRetry is the pause until a pod is applied again that was refused for want of a service account.
const accountRetry = 20 * time.Millisecond

// runPod applies a pod. A cluster that calls itself ready may still lack the default service account, and refuses
// the pod until it has it; that belongs to the time that a user waits.
func (k *kube) runPod(ctx context.Context, pod *corev1.Pod) error {
	return wait.PollUntilContextCancel(ctx, accountRetry, true, func(ctx context.Context) (bool, error) {
		_, err := k.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
		if apierrors.IsForbidden(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// removePod removes a pod that carries its own name as its label, and waits until it is gone.
// It does so also when ctx has ended: what comes next is to be measured without it.
func (k *kube) removePod(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), streamTimeout)
	defer cancel()
	remove := func() error {
		err := k.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) { // it was never made
			return nil
		}
		return err
	}
	return k.watchPods(ctx, name, remove, func(p pods) (bool, error) { return len(p) == 0, nil })
}

// pods are the pods with a label by name, as they were last seen.
type pods map[string]*corev1.Pod

// watchPods does something and follows the pods with a label until enough is true of them; it asks before the first
// change too. What happens during start is not missed, and none of it is seen later than the API tells.
func (k *kube) watchPods(ctx context.Context, app string, start func() error, enough func(pods) (bool, error)) error {
	selected := metav1.ListOptions{LabelSelector: labelApp + "=" + app}
	list, err := k.CoreV1().Pods(namespace).List(ctx, selected)
	if err != nil {
		return err
	}
	seen := pods{}
	for i := range list.Items {
		seen[list.Items[i].Name] = &list.Items[i]
	}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selected.LabelSelector
			return k.CoreV1().Pods(namespace).Watch(ctx, o)
		},
	})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	if err := start(); err != nil {
		return err
	}
	for {
		if done, err := enough(seen); done || err != nil {
			return err
		}
		select {
		case e, open := <-watcher.ResultChan():
			if err := seen.apply(e, open); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("pods with label app=%s: %s: %w", app, seen, ctx.Err())
		}
	}
}

// apply takes an event of a watch.
func (p pods) apply(e watch.Event, open bool) error {
	pod, ok := e.Object.(*corev1.Pod)
	switch {
	case !open:
		return errors.New("the watch of the pods ended")
	case e.Type == watch.Error:
		return fmt.Errorf("watch pods: %w", apierrors.FromObject(e.Object))
	case ok && e.Type == watch.Deleted:
		delete(p, pod.Name)
	case ok:
		p[pod.Name] = pod
	}
	return nil
}

// String says how far the pods are.
func (p pods) String() string {
	phases := map[corev1.PodPhase]int{}
	for _, pod := range p {
		phases[pod.Status.Phase]++
	}
	return fmt.Sprintf("%d ready, by phase %v", p.ready(), phases)
}

// ready counts the pods that are Ready.
func (p pods) ready() int {
	n := 0
	for _, pod := range p {
		if ready(pod) {
			n++
		}
	}
	return n
}

// ready says if a pod is.
func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
