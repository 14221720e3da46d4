package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// appTimeout is how long an app may take to answer, counted from when it is applied.
const appTimeout = 3 * time.Minute

// measureApp measures what a user waits for: from the start of `create` until an app answers.
func (b *bench) measureApp(ctx context.Context, p *product) error {
	for range b.iterations {
		var answered time.Time
		started := time.Now()
		err := b.with(ctx, p, func(c *cluster) (err error) {
			if _, err := b.load(ctx, c, b.workload.ref); err != nil {
				return err
			}
			answered, err = b.runApp(ctx, c)
			return err
		})
		if err != nil {
			return err
		}
		b.record(p, figApp, answered.Sub(started).Seconds())
		b.say("  the app answered after %.2f s", answered.Sub(started).Seconds())
	}
	return nil
}

// runApp applies a Service, a Deployment of one pod behind it, and a pod that asks for the Service by its name. It
// returns when that pod got its answer: by the pod's own clock, which is this machine's.
func (b *bench) runApp(ctx context.Context, c *cluster) (answered time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, appTimeout)
	defer cancel()
	client, err := c.connect()
	if err != nil {
		return answered, err
	}
	const app, prober = "app", "prober"
	apply := func() error {
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: app},
			Spec: corev1.ServiceSpec{
				Selector: map[string]string{labelApp: app},
				Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
			},
		}
		if _, err := client.CoreV1().Services(namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
			return err
		}
		if err := client.deploy(ctx, deployment(app, 1, podSpec(b.workload.ref, "serve"))); err != nil {
			return err
		}
		spec := podSpec(b.workload.ref, "probe", "http://"+app+"/")
		spec.RestartPolicy = corev1.RestartPolicyNever
		return client.runPod(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: prober, Labels: map[string]string{labelApp: prober}}, Spec: spec})
	}
	err = client.watchPods(ctx, prober, apply, func(p pods) (bool, error) {
		pod := p[prober]
		if pod == nil || len(pod.Status.ContainerStatuses) == 0 {
			return false, nil
		}
		end := pod.Status.ContainerStatuses[0].State.Terminated
		switch {
		case end == nil:
			return false, nil
		case end.ExitCode != 0:
			return false, fmt.Errorf("the app did not answer: %s", end.Message)
		}
		answered, err = time.Parse(time.RFC3339Nano, end.Message)
		return true, err
	})
	return answered, err
}
