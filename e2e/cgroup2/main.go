//go:build linux

// Command cgroup2 proves Skiff on cgroup v2, whatever the host has: it boots a Debian with Debian's cloud kernel
// and Docker engine in an emulated machine without a network, and runs a scenario there. Package guest is the
// scenario, package pod what runs in its pods.
//
// The machine's root file system is made of Debian packages once and kept in .cache. Files go in and out as tar
// archives on raw disks; the console, the report and the logs of a failure end up in the artifacts' directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, parseFlags(), os.Stderr)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil:
		return
	case interrupted:
		os.Exit(130)
	}
	fmt.Fprintf(os.Stderr, "FAILED: %s\n", err)
	var f *fault.Error
	if errors.As(err, &f) && f.Hint != "" {
		fmt.Fprintln(os.Stderr, f.Hint)
	}
	os.Exit(1)
}

// options are what a caller can choose.
type options struct {
	skiff      string
	engineOnly bool
	artifacts  string
	timeout    time.Duration
	debian     debian
	accel      string
	cpus       int
	memory     int
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.skiff, "skiff", "bin/skiff", "the `program` to test, for linux/amd64")
	flag.BoolVar(&o.engineOnly, "engine-only", false, "stop after checking the machine and its Docker")
	flag.StringVar(&o.artifacts, "artifacts", "e2e/artifacts", "`directory` for the report and the logs; they go to cgroup2 in it")
	flag.DurationVar(&o.timeout, "timeout", 90*time.Minute, "how long the machine may run")
	flag.StringVar(&o.debian.Suite, "suite", "bookworm", "`release` of Debian")
	flag.StringVar(&o.debian.Mirror, "mirror", "", "`URL` of Debian's packages (default: where this host gets its own, or mmdebstrap's)")
	flag.StringVar(&o.debian.Cache, "cache", "e2e/cgroup2/.cache", "`directory` that keeps the root file system")
	flag.StringVar(&o.accel, "accel", "tcg", "qemu's accelerator: tcg works everywhere, kvm is faster")
	flag.IntVar(&o.cpus, "cpus", 2, "processors of the machine")
	flag.IntVar(&o.memory, "memory", 5120, "memory of the machine, in `MiB`")
	flag.Parse()
	if o.debian.Mirror == "" {
		o.debian.Mirror = hostMirror("/etc/apt", o.debian.Suite)
	}
	o.artifacts = filepath.Join(o.artifacts, "cgroup2")
	return o
}

func run(ctx context.Context, o options, log io.Writer) error {
	if err := checkTools(runTools); err != nil {
		return err
	}
	if !o.engineOnly {
		if err := checkSkiff(o.skiff); err != nil {
			return err
		}
	}
	root, err := o.debian.build(ctx, log)
	if err != nil {
		return err
	}
	// Results of an earlier run must not be taken for this one's.
	if err := os.RemoveAll(o.artifacts); err != nil {
		return err
	}
	if err := os.MkdirAll(o.artifacts, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "skiff-cgroup2-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	m := machine{
		Root: root, Accel: o.accel, CPUs: o.cpus, Memory: o.memory,
		Inbox: filepath.Join(work, "inbox.tar"), Outbox: filepath.Join(work, "outbox.tar"),
		Console: filepath.Join(o.artifacts, "console.log"),
	}
	if err := fillInbox(ctx, work, m.Inbox, o); err != nil {
		return err
	}
	return boot(ctx, m, o, log)
}

func fillInbox(ctx context.Context, work, inbox string, o options) error {
	guest, pod := filepath.Join(work, "guest"), filepath.Join(work, "pod.tar")
	if err := buildProgram(ctx, module+"/guest", guest); err != nil {
		return err
	}
	if err := buildPodImage(ctx, work, pod); err != nil {
		return err
	}
	content := map[string]string{"guest": guest, "pod.tar": pod}
	if !o.engineOnly {
		content["skiff"] = o.skiff
	}
	return writeInbox(inbox, content)
}

// boot runs the machine and judges what it left.
func boot(ctx context.Context, m machine, o options, log io.Writer) error {
	scenario, err := os.Create(filepath.Join(o.artifacts, "scenario.log"))
	if err != nil {
		return err
	}
	defer scenario.Close()
	fmt.Fprintf(log, "booting (%s, %d CPUs, %d MiB); the kernel's console is in %s\n", m.Accel, m.CPUs, m.Memory, m.Console)
	limited, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("the machine was not done after %s", o.timeout))
	defer cancel()
	started := time.Now()
	if err := m.run(limited, io.MultiWriter(log, scenario), log); err != nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		return withConsole(err, m.Console)
	}
	r, err := readOutbox(m.Outbox, o.artifacts)
	if err != nil {
		return withConsole(err, m.Console)
	}
	if failure := r.failure(); failure != "" {
		return &fault.Error{Code: fault.NodeFailed, Summary: failure, Hint: "Logs are in " + o.artifacts + "."}
	}
	fmt.Fprintf(log, "passed in %s; report in %s\n", time.Since(started).Round(time.Second), o.artifacts)
	return nil
}

// withConsole adds the end of the console to an error: it often shows why a machine is stuck.
func withConsole(err error, console string) error {
	const lines = 25
	data, readErr := os.ReadFile(console)
	if readErr != nil {
		return err
	}
	all := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(data), "\r", "")), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return fmt.Errorf("%w\nthe console's end:\n  %s", err, strings.Join(all, "\n  "))
}
