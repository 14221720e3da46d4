//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// io_uring_setup has this number on every architecture; package syscall is older than it.
const sysIOURingSetup = 425

// probes are system calls with arguments that the kernel refuses before it does anything, for another reason
// than a lack of permission. EPERM is then the answer of a seccomp filter, not of the kernel.
var probes = []struct {
	name   string
	number uintptr
	args   [3]uintptr
}{
	{"add_key", syscall.SYS_ADD_KEY, [3]uintptr{}},         // EFAULT
	{"keyctl", syscall.SYS_KEYCTL, [3]uintptr{9999}},       // EOPNOTSUPP
	{"request_key", syscall.SYS_REQUEST_KEY, [3]uintptr{}}, // EFAULT
	{"io_uring_setup", sysIOURingSetup, [3]uintptr{}},      // EFAULT, EINVAL
}

// seccompReport is what runSeccomp prints.
type seccompReport struct {
	Mode    int               `json:"mode"`    // 0 none, 2 filter
	Filters int               `json:"filters"` // installed one above the other
	Calls   map[string]string `json:"calls"`   // name of the call to that of the error
}

// runSeccomp reports, as JSON, what filters the system calls of this process.
func runSeccomp(context.Context, []string) error {
	report := seccompReport{Calls: map[string]string{}}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		n, _ := strconv.Atoi(strings.TrimSpace(value))
		switch key {
		case "Seccomp":
			report.Mode = n
		case "Seccomp_filters":
			report.Filters = n
		}
	}
	for _, p := range probes {
		_, _, errno := syscall.Syscall(p.number, p.args[0], p.args[1], p.args[2])
		report.Calls[p.name] = errnoName(errno)
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

func errnoName(errno syscall.Errno) string {
	switch {
	case errno == 0:
		return "ok"
	case errors.Is(errno, syscall.EPERM):
		return "EPERM"
	case errors.Is(errno, syscall.ENOSYS):
		return "ENOSYS"
	}
	return fmt.Sprintf("errno %d", int(errno))
}
