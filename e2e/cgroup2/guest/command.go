package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// command runs a program, shows what it says, and returns its standard output.
func command(ctx context.Context, name string, args ...string) (string, error) {
	line := strings.Join(append([]string{filepath.Base(name)}, args...), " ")
	fmt.Printf("$ %s\n", line)
	var out strings.Builder
	var complaint tail
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout = io.MultiWriter(&out, os.Stdout)
	cmd.Stderr = io.MultiWriter(&complaint, os.Stdout)
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.New("not done in time")
		}
		return out.String(), fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(complaint)))
	}
	return out.String(), nil
}

func skiff(ctx context.Context, args ...string) (string, error) {
	return command(ctx, "./skiff", args...)
}

func kubectl(ctx context.Context, args ...string) (string, error) {
	return skiff(ctx, append([]string{"kubectl"}, args...)...)
}

// record runs a program and keeps its output as a file among the results, not on the console.
func record(ctx context.Context, file, name string, args ...string) error {
	data, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if writeErr := os.WriteFile(filepath.Join(outDir, file), data, 0o644); writeErr != nil {
		return writeErr
	}
	return err
}

// eventually repeats a check until it succeeds, and returns its last failure when the time is over. The pause is
// long because a check costs an emulated processor seconds, which what it waits for could use.
func eventually(ctx context.Context, check func() error) error {
	const pause = 20 * time.Second
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// checkLimits compares what a container read in its own cgroup (pod limits) with what it was given.
func checkLimits(output string, want map[string]string) error {
	var got map[string]string
	if err := json.Unmarshal([]byte(output), &got); err != nil {
		return fmt.Errorf("limits %q: %w", output, err)
	}
	for name, value := range want {
		if got[name] != value {
			return fmt.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	const limit = 2000
	*t = append(*t, p...)
	if len(*t) > limit {
		*t = append((*t)[:0], (*t)[len(*t)-limit:]...)
	}
	return len(p), nil
}
