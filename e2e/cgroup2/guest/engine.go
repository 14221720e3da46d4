package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// podImage is the image in pod.tar.
const podImage = "skiff-e2e-pod:dev"

// engineSteps prove that the machine is what this scenario is about, so that a failure later is Skiff's.
var engineSteps = []step{
	{"the machine has cgroup v2 and nothing else", time.Minute, checkMachine},
	{"Docker runs on cgroup v2", 5 * time.Minute, checkDocker},
	{"limits of a container reach its cgroup", 5 * time.Minute, checkContainer},
}

func checkMachine(ctx context.Context, s *scenario) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	unified := false
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		switch {
		case fields[2] == "cgroup":
			return fmt.Errorf("there is a cgroup v1 hierarchy: %s", strings.TrimSpace(line))
		case fields[2] == "cgroup2" && fields[1] == "/sys/fs/cgroup":
			unified = true
		}
	}
	if !unified {
		return fmt.Errorf("no cgroup v2 at /sys/fs/cgroup:\n%s", mounts)
	}
	kernel, err := command(ctx, "uname", "-r")
	if err != nil {
		return err
	}
	s.Facts["kernel"] = strings.TrimSpace(kernel)
	return s.facts(map[string]string{
		"controllers of the machine": "/sys/fs/cgroup/cgroup.controllers",
		"clock":                      "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	})
}

// facts keeps the content of files.
func (s *scenario) facts(files map[string]string) error {
	for fact, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		s.Facts[fact] = strings.TrimSpace(string(data))
	}
	return nil
}

func checkDocker(ctx context.Context, s *scenario) error {
	if err := record(ctx, "docker-info.txt", "docker", "info"); err != nil {
		return fmt.Errorf("docker info: %w (see docker-info.txt and journal.txt)", err)
	}
	out, err := command(ctx, "docker", "info", "--format",
		`{"version":{{json .ServerVersion}},"cgroup":{{json .CgroupVersion}},"driver":{{json .CgroupDriver}},"storage":{{json .Driver}},"security":{{json .SecurityOptions}}}`)
	if err != nil {
		return err
	}
	var info struct {
		Version, Cgroup, Driver, Storage string
		Security                         []string
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		return err
	}
	s.Facts["Docker"] = info.Version
	s.Facts["Docker's cgroup driver"] = info.Driver
	s.Facts["Docker's security options"] = strings.Join(info.Security, " ")
	if info.Cgroup != "2" || info.Storage != "overlay2" {
		return fmt.Errorf("cgroup version %s and storage driver %s, want 2 and overlay2", info.Cgroup, info.Storage)
	}
	return nil
}

func checkContainer(ctx context.Context, _ *scenario) error {
	if _, err := command(ctx, "docker", "load", "--input", "pod.tar"); err != nil {
		return err
	}
	out, err := command(ctx, "docker", "run", "--rm", "--network", "none", "--memory", "64m", "--cpus", "0.5", podImage, "limits")
	if err != nil {
		return err
	}
	return checkLimits(out, map[string]string{"memory.max": "67108864", "cpu.max": "50000 100000"})
}
