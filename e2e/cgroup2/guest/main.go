// Command guest runs in the emulated machine, as root: it takes Skiff through a cluster's life and checks what
// cgroup v2 makes different. It writes report.json and, of a failure, the logs, to the disk "outbox".
//
// It lies in one directory with pod.tar, the pods' image, and skiff, the program to test; without the latter it
// checks only the machine and its Docker.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	outDir = "out"
	outbox = "/dev/disk/by-id/virtio-outbox"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return err
	}
	steps := engineSteps
	switch _, err := os.Stat("skiff"); {
	case err == nil:
		steps = append(steps, clusterSteps...)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	s := &scenario{Facts: map[string]string{}}
	s.play(context.Background(), steps)
	if !s.Complete {
		s.collectLogs(context.Background())
	}
	return s.send()
}

// scenario is a run of the steps. Its JSON is the report.
type scenario struct {
	Facts    map[string]string `json:"facts"`
	Steps    []outcome         `json:"steps"`
	Complete bool              `json:"complete"`
}

type outcome struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Failure string  `json:"failure,omitempty"`
}

// step is one obligation, as a sentence, and how it is checked. Emulation is slow, so limits are generous.
type step struct {
	name  string
	limit time.Duration
	check func(context.Context, *scenario) error
}

// play runs the steps until one fails.
func (s *scenario) play(ctx context.Context, steps []step) {
	for _, step := range steps {
		fmt.Printf("== %s\n", step.name)
		started := time.Now()
		limited, cancel := context.WithTimeout(ctx, step.limit)
		err := step.check(limited, s)
		cancel()
		took := time.Since(started)
		result := outcome{Name: step.name, Seconds: took.Seconds()}
		if err != nil {
			result.Failure = err.Error()
			fmt.Printf("-- FAILED after %s: %s\n", took.Round(time.Second), err)
		} else {
			fmt.Printf("-- ok, %s\n", took.Round(100*time.Millisecond))
		}
		s.Steps = append(s.Steps, result)
		if err != nil {
			return
		}
	}
	s.Complete = true
}

// send writes the report and all that was collected to the outbox.
func (s *scenario) send() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(outDir, "report.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("tar", "-cf", outbox, "-C", outDir, ".")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
