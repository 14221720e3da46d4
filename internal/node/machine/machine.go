// Package machine turns a bare container into a machine that Kubernetes can run on: mounts, control groups,
// kernel settings, name resolution. It runs as PID 1, before anything else and at every start of the container, and
// changes nothing outside of it. [ShowSettings] is called by the Kubernetes process, for itself alone.
package machine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Prepare does all of it, for pods with addresses of some networks. It is idempotent: a container that is restarted runs
// it again.
func Prepare(pods []netip.Prefix) error {
	unix.Umask(0o022)
	steps := []struct {
		name string
		run  func() error
	}{
		{"mounts", mounts},
		{"devices", devices},
		{"control groups", cgroups},
		{"kernel settings", func() error { return sysctls(pods) }},
		{"name resolution", func() error { return resolver(pods) }},
		{"identity", identity},
	}
	for _, step := range steps {
		if err := step.run(); err != nil {
			return fmt.Errorf("prepare %s: %w", step.name, err)
		}
	}
	return nil
}

// stateDirs are made on the node's volume, with their modes.
var stateDirs = map[string]os.FileMode{
	nodeapi.PKIDir:        0o700,
	nodeapi.EtcdDir:       0o700,
	nodeapi.KubeletDir:    0o700,
	nodeapi.ContainerdDir: 0o711,
	nodeapi.LogDir:        0o755,
	nodeapi.CNIConfigDir:  0o755,
	nodeapi.RunDir:        0o755,
}

// mounts makes what is mounted as pods need it.
func mounts() error {
	for dir, mode := range stateDirs {
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
	}
	// What is mounted in the node must appear in pods that ask for it, and the other way round (mount
	// propagation); Docker makes everything private.
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share the mounts below /: %w", err)
	}
	// Docker mounts /sys read-only; network devices of pods are configured there.
	if err := unix.Mount("", "/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("make /sys writable: %w", err)
	}
	for from, to := range map[string]string{
		nodeapi.KubeletDir: nodeapi.KubeletRootDir,
		nodeapi.LogDir:     "/var/log",
	} {
		if err := bind(from, to); err != nil {
			return err
		}
	}
	return nil
}

// kernelLog is what the kubelet insists on opening, to tell of processes that ran out of memory.
const kernelLog = "/dev/kmsg"

// devices gives the kubelet an empty kernel log. The real one is the whole host's, other people's containers
// included, and reading it takes CAP_SYSLOG. A container that runs out of memory is reported by its runtime all the
// same.
func devices() error {
	if err := os.Symlink(os.DevNull, kernelLog); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// bind makes a directory appear at another place too.
func bind(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
	return nil
}

// bindData makes a file read as data, whatever it is underneath.
func bindData(path, data string) error {
	dir := filepath.Join(nodeapi.RunDir, "shown")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	shown := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(shown, []byte(data), 0o644); err != nil {
		return err
	}
	if err := unix.Mount(shown, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cover %s: %w", path, err)
	}
	return nil
}
