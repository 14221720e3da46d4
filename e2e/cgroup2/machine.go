//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// machine is an emulated computer that boots a root file system, runs what is on its disk "inbox" and powers off.
type machine struct {
	Root rootFS
	// Accel is the accelerator: tcg emulates the processor, and works everywhere; kvm is twenty times faster.
	Accel  string
	CPUs   int
	Memory int // MiB
	// Inbox and Outbox are files that the machine sees as disks. They hold tar archives and no file system, so
	// that neither side needs to mount anything.
	Inbox, Outbox string
	// Console is the file that gets what the kernel and systemd say.
	Console string
}

// args is the command line for qemu. The machine has no network card: whatever it needs it must have brought.
func (m machine) args() []string {
	kernel := "root=LABEL=skiff-root rw console=ttyS0 TERM=dumb loglevel=4 panic=-1 mitigations=off " +
		"systemd.unified_cgroup_hierarchy=1 systemd.mask=getty.target module_blacklist=kvm_amd,kvm_intel"
	cpu := "max"
	if m.Accel == "tcg" {
		cpu = "max,la57=off" // five levels of page tables make every miss of the emulated TLB dearer
		// The kernel mistrusts the time-stamp counters of several processors, which are one here, and would read the
		// clock from a device instead: that stops all processors, and Go programs read the clock all the time.
		kernel += " tsc=reliable clocksource=tsc"
	}
	args := []string{
		"-accel", m.Accel, "-cpu", cpu, "-smp", strconv.Itoa(m.CPUs), "-m", strconv.Itoa(m.Memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
		"-no-reboot", // so that a panic ends the machine
		"-kernel", m.Root.Kernel, "-initrd", m.Root.Initrd, "-append", kernel,
		"-serial", "file:" + m.Console,
		"-serial", "stdio",
	}
	// Changes to the root disk go to a temporary file.
	args = append(args, disk("root", m.Root.Disk, "snapshot=on")...)
	args = append(args, disk("inbox", m.Inbox, "readonly=on")...)
	return append(args, disk("outbox", m.Outbox, "cache=unsafe")...)
}

// disk is a disk that the machine finds as /dev/disk/by-id/virtio-NAME.
func disk(name, file, option string) []string {
	return []string{
		"-drive", fmt.Sprintf("if=none,id=%s,format=raw,file=%s,%s", name, file, option),
		"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%s", name, name),
	}
}

// run boots the machine and returns when it is off. What the scenario says goes to out. When ctx ends, so does
// the machine.
func (m machine) run(ctx context.Context, out, log io.Writer) error {
	if err := os.WriteFile(m.Outbox, nil, 0o644); err != nil {
		return err
	}
	if err := os.Truncate(m.Outbox, outboxSize); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", m.args()...)
	cmd.Stdout, cmd.Stderr = &lineEnds{w: out}, log
	endGently(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("qemu: %w", err)
	}
	return nil
}

// lineEnds drops the carriage returns that a terminal line adds.
type lineEnds struct{ w io.Writer }

func (l *lineEnds) Write(p []byte) (int, error) {
	if _, err := l.w.Write(bytes.ReplaceAll(p, []byte{'\r'}, nil)); err != nil {
		return 0, err
	}
	return len(p), nil
}
