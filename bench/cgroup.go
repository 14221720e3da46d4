package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// cgroupRoot is where the kernel shows control groups.
const cgroupRoot = "/sys/fs/cgroup"

// awaitNodeCPU waits until a container starts and returns how to read its CPU seconds without asking the engine,
// which has other things to do just then.
func (e *engine) awaitNodeCPU(ctx context.Context, container string) (func() (float64, error), error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started, failed := e.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)), filters.Arg("event", string(events.ActionStart)), filters.Arg("container", container))})
	select {
	case <-started:
	case err := <-failed:
		return nil, err
	}
	info, err := e.ContainerInspect(ctx, container)
	if err != nil {
		return nil, err
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", info.State.Pid))
	if err != nil {
		return nil, err
	}
	return cpuReader(cgroupRoot, string(groups), info.ID)
}

// cpuReader finds the file with the CPU time of a container's control group, given /proc/PID/cgroup of a process in
// it. That may be in a group further down.
func cpuReader(root, groups, id string) (func() (float64, error), error) {
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(fields) != 3 || !strings.Contains(fields[2], id) {
			continue
		}
		group := fields[2]
		for !strings.Contains(path.Base(group), id) {
			group = path.Dir(group)
		}
		switch controllers := strings.Split(fields[1], ","); {
		case slices.Contains(controllers, "cpuacct"):
			return func() (float64, error) { return readUsageV1(filepath.Join(root, fields[1], group)) }, nil
		case fields[1] == "" && fields[0] == "0" && !strings.Contains(groups, "cpuacct"):
			return func() (float64, error) { return readUsageV2(filepath.Join(root, group)) }, nil
		}
	}
	return nil, errors.New("the node's control group cannot be found")
}

// readUsageV1 reads nanoseconds.
func readUsageV1(dir string) (float64, error) {
	data, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage"))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(string(bytes.TrimSpace(data)), 64)
	return n / 1e9, err
}

// readUsageV2 reads microseconds.
func readUsageV2(dir string) (float64, error) {
	data, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == "usage_usec" {
			n, err := strconv.ParseFloat(value, 64)
			return n / 1e6, err
		}
	}
	return 0, errors.New("cpu.stat has no usage_usec")
}
