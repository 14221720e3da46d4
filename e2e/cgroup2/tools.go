//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// tool is a program or file of this machine, with the Debian package that has it.
type tool struct{ name, pkg string }

// runTools are needed for every run.
var runTools = []tool{{"qemu-system-x86_64", "qemu-system-x86"}, {"go", "golang"}}

// buildTools are needed to build the root file system.
func buildTools(isRoot bool) []tool {
	tools := []tool{
		{"mmdebstrap", "mmdebstrap"},
		{"fakeroot", "fakeroot"},
		{"mkfs.ext4", "e2fsprogs"},
		{"/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"},
	}
	if !isRoot {
		tools = append(tools, tool{"fakechroot", "fakechroot"})
	}
	return tools
}

// checkTools returns an error that names every tool that is missing, and how to install them.
func checkTools(tools []tool) error {
	var names, pkgs []string
	for _, t := range tools {
		if !t.exists() {
			names, pkgs = append(names, t.name), append(pkgs, t.pkg)
		}
	}
	if names == nil {
		return nil
	}
	return &fault.Error{
		Code:    fault.NotFound,
		Summary: fmt.Sprintf("missing on this machine: %s", strings.Join(names, ", ")),
		Hint:    "Install:\n  sudo apt-get install --no-install-recommends " + strings.Join(pkgs, " "),
	}
}

func (t tool) exists() bool {
	if _, err := exec.LookPath(t.name); err == nil {
		return true
	}
	// Directories for administrators are not in everybody's PATH.
	for _, dir := range []string{"/usr/sbin", "/sbin", "/"} {
		if _, err := os.Stat(filepath.Join(dir, t.name)); err == nil {
			return true
		}
	}
	return false
}

// endGently makes a cancelled command and its children get SIGTERM, and ten seconds to clean up. They are a process
// group of their own, so that a Ctrl-C on the terminal reaches this program alone, which then ends them.
func endGently(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
}
