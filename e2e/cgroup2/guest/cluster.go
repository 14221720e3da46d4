package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed app.yaml
var app []byte

//go:embed greedy.yaml
var greedy []byte

// clusterSteps are a cluster's life. The names of the cluster and its node are Skiff's defaults.
var clusterSteps = []step{
	{"skiff doctor finds nothing that keeps clusters from running", 5 * time.Minute, doctor},
	{"skiff create meets the readiness contract", 25 * time.Minute, create},
	{"the node gives its pods every controller", 5 * time.Minute, checkControllers},
	{"a Deployment becomes ready", 15 * time.Minute, deploy},
	{"its Service answers by name", 8 * time.Minute, askService},
	{"limits of a pod reach its cgroup", 8 * time.Minute, checkPod},
	{"a pod that takes too much memory is killed", 10 * time.Minute, checkGreedy},
	{"the cluster comes back after docker restart", 20 * time.Minute, restart},
	{"skiff delete leaves nothing behind", 10 * time.Minute, remove},
}

const node = "skiff-skiff-server-1"

func doctor(ctx context.Context, _ *scenario) error {
	_, err := skiff(ctx, "doctor")
	return err
}

// create keeps a cluster that does not become ready, for the logs.
func create(ctx context.Context, _ *scenario) error {
	if _, err := skiff(ctx, "create", "--wait", "15m", "--retain"); err != nil {
		return err
	}
	return awaitReady(ctx)
}

// awaitReady waits, because on a slow machine the node controller may mark a node as not ready once more after
// it was ready for the first time.
func awaitReady(ctx context.Context) error {
	const file = "status.txt"
	err := eventually(ctx, func() error { return record(ctx, file, "./skiff", "status") })
	status, readErr := os.ReadFile(filepath.Join(outDir, file))
	fmt.Printf("%s", status)
	return errors.Join(err, readErr)
}

// checkControllers reads the controllers of the node's own root group, which a group with processes of its own
// cannot hand on: PID 1 has to have moved them away.
func checkControllers(ctx context.Context, s *scenario) error {
	out, err := skiff(ctx, "node", "shell", "--", "cat", "/sys/fs/cgroup/cgroup.subtree_control")
	if err != nil {
		return err
	}
	enabled := strings.Fields(out)
	s.Facts["controllers that the node hands on"] = strings.Join(enabled, " ")
	for _, want := range []string{"cpu", "cpuset", "io", "memory", "pids"} {
		if !slices.Contains(enabled, want) {
			return fmt.Errorf("controller %s is not enabled, only %v", want, enabled)
		}
	}
	return nil
}

func deploy(ctx context.Context, _ *scenario) error {
	if _, err := skiff(ctx, "load", "--archive", "pod.tar"); err != nil {
		return err
	}
	if err := apply(ctx, "app.yaml", app); err != nil {
		return err
	}
	_, err := kubectl(ctx, "rollout", "status", "deployment/web", "--timeout=12m")
	return err
}

func apply(ctx context.Context, file string, manifest []byte) error {
	if err := os.WriteFile(file, manifest, 0o644); err != nil {
		return err
	}
	_, err := kubectl(ctx, "apply", "-f", file)
	return err
}

// askService asks from a pod, so that the cluster's DNS and its Service rules both take part.
func askService(ctx context.Context, _ *scenario) error {
	out, err := kubectl(ctx, "exec", "deployment/web", "--", "/pod", "get", "http://web.default.svc.cluster.local/")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(out, "hello from web-") {
		return fmt.Errorf("unexpected answer %q", out)
	}
	return nil
}

func checkPod(ctx context.Context, s *scenario) error {
	out, err := kubectl(ctx, "exec", "deployment/web", "--", "/pod", "limits")
	if err != nil {
		return err
	}
	s.Facts["limits of a pod with 64Mi and 500m"] = strings.TrimSpace(out)
	want := map[string]string{"memory.max": "67108864", "cpu.max": "50000 100000"}
	if err := checkLimits(out, want); err != nil {
		return err
	}
	return checkPodGroup(ctx, s)
}

// checkPodGroup reads the same from outside: the group that the kubelet made for the whole pod.
func checkPodGroup(ctx context.Context, s *scenario) error {
	uid, err := kubectl(ctx, "get", "pod", "--selector=app=web", "--output=jsonpath={.items[0].metadata.uid}")
	if err != nil {
		return err
	}
	out, err := skiff(ctx, "node", "shell", "--", "find", "/sys/fs/cgroup", "-type", "d", "-name", "pod"+uid)
	if err != nil {
		return err
	}
	group := strings.TrimSpace(out)
	if group == "" || strings.Contains(group, "\n") {
		return fmt.Errorf("want one group of pod %s, got %q", uid, group)
	}
	s.Facts["group of a pod"] = group
	limit, err := skiff(ctx, "node", "shell", "--", "cat", group+"/memory.max")
	if err != nil {
		return err
	}
	if strings.TrimSpace(limit) != "67108864" {
		return fmt.Errorf("memory.max of the pod's group is %q", limit)
	}
	return nil
}

func checkGreedy(ctx context.Context, _ *scenario) error {
	if err := apply(ctx, "greedy.yaml", greedy); err != nil {
		return err
	}
	_, err := kubectl(ctx, "wait", "pod/greedy", "--timeout=8m",
		"--for=jsonpath={.status.containerStatuses[0].state.terminated.reason}=OOMKilled")
	return err
}

// restart gives the node's container a new cgroup: PID 1 has to prepare it again.
func restart(ctx context.Context, s *scenario) error {
	if _, err := command(ctx, "docker", "restart", node); err != nil {
		return err
	}
	if err := awaitReady(ctx); err != nil {
		return err
	}
	if err := checkControllers(ctx, s); err != nil {
		return err
	}
	return eventually(ctx, func() error { return askService(ctx, s) })
}

func remove(ctx context.Context, _ *scenario) error {
	if _, err := skiff(ctx, "delete"); err != nil {
		return err
	}
	var left []string
	for _, list := range [][]string{{"ps", "--all"}, {"volume", "ls"}, {"network", "ls"}} {
		out, err := command(ctx, "docker", append(list, "--quiet", "--filter", "name=skiff")...)
		if err != nil {
			return err
		}
		left = append(left, strings.Fields(out)...)
	}
	if len(left) > 0 {
		return fmt.Errorf("left behind: %v", left)
	}
	return nil
}

// collectLogs keeps what may explain a failure. What cannot be had is said, and is no further failure.
func (s *scenario) collectLogs(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	fmt.Println("== collecting logs")
	err := errors.Join(
		record(ctx, "journal.txt", "journalctl", "--no-pager", "--boot"),
		record(ctx, "containers.txt", "docker", "ps", "--all"),
	)
	if _, statErr := os.Stat("skiff"); statErr == nil {
		err = errors.Join(err,
			record(ctx, "node.log", "docker", "logs", node),
			record(ctx, "status.json", "./skiff", "status", "--output", "json"),
			record(ctx, "pods.yaml", "./skiff", "kubectl", "get", "pods,events", "--all-namespaces", "--output", "yaml"),
			exec.CommandContext(ctx, "./skiff", "bundle", "--file", filepath.Join(outDir, "bundle.tar.gz")).Run(),
		)
	}
	if err != nil {
		fmt.Printf("not all logs could be had:\n%s\n", err)
	}
}
