package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// streamSeconds is how long bytes are sent for one measurement: long enough that the start of a connection does not
	// count, and no longer, because it takes all of the machine.
	streamSeconds = 4
	streamTimeout = time.Minute
	// streamPairs is how many pairs are measured in each iteration: one differs from the next by a third, by the
	// processors that the kernel chooses for sender and receiver, and that is more than any other figure does.
	streamPairs = 3
)

// streams are the figures of what some TCP connections carry at once.
var streams = []struct {
	connections        int
	plain, pods, ratio string
}{
	{1, figPlainStream, figPodStream, figStreamRatio},
	{4, figPlainStreams, figPodStreams, figStreamsRatio}, // enough to keep both ends busy on a small machine
}

func streamFigures() []string {
	var ids []string
	for _, s := range streams {
		ids = append(ids, s.plain, s.pods, s.ratio)
	}
	return ids
}

// measureStreams compares what TCP connections carry between pods on two nodes with what they carry between two plain
// containers on one Docker network. Both use the same bridge of the same kernel, in turn, so that a machine that changes
// its mind changes both.
func (b *bench) measureStreams(ctx context.Context, p *product) error {
	c := b.newCluster(p)
	if _, err := b.create(ctx, c, "--agents", "2"); err != nil {
		return err
	}
	if _, err := b.load(ctx, c, b.workload.ref); err != nil {
		return err
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	for i := range b.iterations * streamPairs {
		for _, s := range streams {
			name := fmt.Sprintf("stream-%d-%d", s.connections, i)
			plain, err := b.streamContainers(ctx, name, s.connections)
			if err != nil {
				return err
			}
			pods, err := b.streamPods(ctx, client, c, name, s.connections)
			if err != nil {
				return err
			}
			b.record(p, s.plain, plain)
			b.record(p, s.pods, pods)
			b.record(p, s.ratio, pods/plain)
			b.say("  over %d: containers %.0f MB/s, pods %.0f MB/s", s.connections, plain, pods)
		}
	}
	_, err = b.delete(ctx, c)
	return err
}

// streamContainers sends between two containers on a network of their own, and returns MB/s.
func (b *bench) streamContainers(ctx context.Context, name string, connections int) (rate float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout) // `docker wait` has no end of its own
	defer cancel()
	network := fmt.Sprintf("skiff-bench-%s-%s", b.id, name)
	if _, err := command(ctx, nil, "docker", "network", "create", "--label", runLabel+"="+b.id, network); err != nil {
		return 0, err
	}
	// A run that was interrupted could leave a container that the engine makes a moment later.
	whole := context.WithoutCancel(ctx)
	defer func() {
		_, removeErr := command(whole, nil, "docker", "network", "rm", network)
		err = errors.Join(err, removeErr)
	}()
	start := func(args ...string) (string, error) {
		r, err := command(whole, nil, append([]string{"docker", "run", "-d", "--network", network, "--label", runLabel + "=" + b.id}, args...)...)
		return strings.TrimSpace(string(r.stdout)), err
	}
	sink, err := start("--name", network+"-sink", b.workload.ref, "sink")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.removeContainer(whole, sink)) }()
	source, err := start(b.workload.ref, "stream", network+"-sink", strconv.Itoa(streamSeconds), strconv.Itoa(connections))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.removeContainer(whole, source)) }()
	if _, err := command(ctx, nil, "docker", "wait", source); err != nil {
		return 0, err
	}
	r, err := command(ctx, nil, "docker", "logs", source)
	if err != nil {
		return 0, err
	}
	if len(r.stdout) == 0 {
		return 0, fmt.Errorf("the sender failed: %s", r.stderr)
	}
	return streamRate(r.stdout)
}

// streamPods does the same between pods on the cluster's two agents, and removes them.
func (b *bench) streamPods(ctx context.Context, client *kube, c *cluster, name string, connections int) (rate float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	pod := func(name, node string, args ...string) *corev1.Pod {
		spec := podSpec(b.workload.ref, args...)
		spec.NodeName, spec.RestartPolicy = c.other(node), corev1.RestartPolicyNever
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{labelApp: name}}, Spec: spec}
	}
	sink, source := name+"-sink", name+"-source"
	address := ""
	err = client.watchPods(ctx, sink, func() error { return client.runPod(ctx, pod(sink, "agent-1", "sink")) }, func(p pods) (bool, error) {
		switch seen := p[sink]; {
		case seen == nil:
		case seen.Status.Phase == corev1.PodRunning:
			address = seen.Status.PodIP
		case seen.Status.Phase == corev1.PodFailed:
			return false, fmt.Errorf("it failed: %s %s", seen.Status.Reason, seen.Status.Message)
		}
		return address != "", nil
	})
	if err != nil {
		return 0, fmt.Errorf("start the receiver: %w", err)
	}
	defer func() { err = errors.Join(err, client.removePod(ctx, sink)) }()
	err = client.watchPods(ctx, source, func() error {
		return client.runPod(ctx, pod(source, "agent-2", "stream", address, strconv.Itoa(streamSeconds), strconv.Itoa(connections)))
	}, func(p pods) (bool, error) {
		seen := p[source]
		if seen == nil || len(seen.Status.ContainerStatuses) == 0 || seen.Status.ContainerStatuses[0].State.Terminated == nil {
			return false, nil
		}
		var err error
		rate, err = streamRate([]byte(seen.Status.ContainerStatuses[0].State.Terminated.Message))
		return true, err
	})
	return rate, errors.Join(err, client.removePod(ctx, source))
}

// streamRate reads what the sender measured.
func streamRate(said []byte) (float64, error) {
	var result struct {
		Bytes   int64
		Seconds float64
	}
	if err := json.Unmarshal(said, &result); err != nil || result.Seconds <= 0 {
		return 0, fmt.Errorf("the sender said %q", said)
	}
	return float64(result.Bytes) / result.Seconds / megabyte, nil
}
