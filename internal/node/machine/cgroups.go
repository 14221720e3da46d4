package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// CgroupV2 is true if the host has the unified hierarchy only.
func CgroupV2() bool {
	var fs unix.Statfs_t
	return unix.Statfs(cgroupRoot, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// cgroups lets this container divide what its own control group was given.
func cgroups() error {
	if CgroupV2() {
		return unified(cgroupRoot)
	}
	return hierarchies(cgroupRoot)
}

// hierarchies prepares cgroup v1, where Docker mounts each controller read-only.
func hierarchies(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	const flags = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	if err := unix.Mount("", root, "", flags, ""); err != nil {
		return fmt.Errorf("make %s writable: %w", root, err)
	}
	for _, e := range entries {
		if !e.IsDir() { // a link such as cpu → cpu,cpuacct
			continue
		}
		path := filepath.Join(root, e.Name())
		if err := unix.Mount("", path, "", flags, ""); err != nil && !errors.Is(err, unix.EINVAL) { // not a mount point
			return fmt.Errorf("make %s writable: %w", path, err)
		}
	}
	// New groups inherit the processors and memory nodes of their parent; they start empty otherwise, and
	// nothing can run in them.
	clone := filepath.Join(root, "cpuset", "cgroup.clone_children")
	if err := os.WriteFile(clone, []byte("1"), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// initGroup is where the node's own processes go on cgroup v2: a group with children that are controlled may
// have no processes of its own (the "no internal processes" rule of the kernel's cgroup-v2 documentation).
const initGroup = "init"

// unified prepares cgroup v2. root is the container's own group, because it has a cgroup namespace.
func unified(root string) error {
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("make %s writable: %w", root, err)
	}
	if err := os.MkdirAll(filepath.Join(root, initGroup), 0o755); err != nil {
		return err
	}
	if err := moveProcesses(root, filepath.Join(root, initGroup)); err != nil {
		return err
	}
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(controllers)) {
		// One by one: a controller that cannot be delegated must not take the others with it.
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+c), 0o644); err != nil && required[c] {
			return fmt.Errorf("enable the %s controller: %w", c, err)
		}
	}
	return nil
}

// required controllers are those without which the kubelet does not start.
var required = map[string]bool{"cpu": true, "memory": true, "pids": true, "cpuset": true}

const (
	// moveRetry is the pause between two looks: nothing tells that a `docker exec` has finished entering the container.
	moveRetry = time.Millisecond
	moveTime  = 2 * time.Second
)

// moveProcesses moves every process of one group to another. Processes may fork meanwhile, so it looks again
// until there is none; at this point there is only PID 1, and perhaps a `docker exec`.
func moveProcesses(from, to string) error {
	for deadline := time.Now().Add(moveTime); time.Now().Before(deadline); time.Sleep(moveRetry) {
		data, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
		if err != nil {
			return err
		}
		pids := strings.Fields(string(data))
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if pid == "0" { // a process of another PID namespace, which exec enters first
				continue
			}
			err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(pid), 0o644)
			if err != nil && !errors.Is(err, syscall.ESRCH) { // it has ended
				return fmt.Errorf("move process %s: %w", pid, err)
			}
		}
	}
	return fmt.Errorf("%s still has processes after %s", from, moveTime)
}
