package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// ran is a command that has ended well.
type ran struct {
	started, ended time.Time
	cpu            time.Duration // of the command and of all children that it waited for
	stdout, stderr []byte
}

// wall is how long it took.
func (r ran) wall() time.Duration { return r.ended.Sub(r.started) }

// interruptGrace is how long an interrupted command may take to undo what it did.
const interruptGrace = 30 * time.Second

// command runs a program with env added to ours. When ctx ends it is interrupted once and may roll back: it runs in
// a process group of its own, because a terminal would send it a second Ctrl-C.
func command(ctx context.Context, env []string, args ...string) (ran, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = interruptGrace
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	r := ran{started: time.Now()}
	err := cmd.Run()
	r.ended = time.Now()
	r.stdout, r.stderr = stdout.Bytes(), stderr.Bytes()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return r, err
		}
		return r, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(r.stderr))
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, nil
}
