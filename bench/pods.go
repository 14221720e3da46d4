package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podCounts are the numbers of pods that are started at once. A node takes 110, with those of its system.
var podCounts = []int{1, 10, 100}

const (
	// manyPods is from where on a measurement takes so long that it is repeated fewer times.
	manyPods      = 100
	manyPodsTimes = 3
	podsTimeout   = 10 * time.Minute
)

func podFigures() []string {
	var ids []string
	for _, n := range podCounts {
		ids = append(ids, figPods(n))
	}
	return ids
}

// measurePods starts pods on one cluster, from apply until the API says that all are Ready.
func (b *bench) measurePods(ctx context.Context, p *product) error {
	return b.with(ctx, p, func(c *cluster) error {
		if _, err := b.load(ctx, c, b.workload.ref); err != nil {
			return err
		}
		client, err := c.connect()
		if err != nil {
			return err
		}
		for _, count := range podCounts {
			if !b.wanted(figPods(count)) {
				continue
			}
			times := b.iterations
			if count >= manyPods {
				times = min(times, manyPodsTimes)
			}
			for i := range times {
				took, err := b.startPods(ctx, client, fmt.Sprintf("pods-%d-%d", count, i), count)
				if err != nil {
					return fmt.Errorf("%d pods: %w", count, err)
				}
				b.record(p, figPods(count), took.Seconds())
				b.say("  %d pods: %.2f s", count, took.Seconds())
			}
		}
		return nil
	})
}

// startPods starts pods, removes them again and waits until they are gone.
func (b *bench) startPods(ctx context.Context, client *kube, name string, count int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, podsTimeout)
	defer cancel()
	var applied, ended time.Time
	apply := func() error {
		applied = time.Now()
		return client.deploy(ctx, deployment(name, count, podSpec(b.workload.ref, "wait")))
	}
	err := client.watchPods(ctx, name, apply, func(p pods) (bool, error) {
		ended = time.Now()
		return p.ready() == count, nil
	})
	if err != nil {
		return 0, err
	}
	remove := func() error {
		now := metav1.DeletePropagationBackground
		return client.AppsV1().Deployments(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &now})
	}
	return ended.Sub(applied), client.watchPods(ctx, name, remove, func(p pods) (bool, error) { return len(p) == 0, nil })
}
