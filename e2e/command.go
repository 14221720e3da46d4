//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// commandLimit ends a command that hangs; whatever has a shorter limit of its own comes before.
const commandLimit = 5 * time.Minute

// Result is what a command did.
type Result struct {
	Command        string
	Code           int // -1 if it did not run, or was killed
	Stdout, Stderr string
	Took           time.Duration
}

// String says it all, for messages of failure.
func (r Result) String() string {
	return fmt.Sprintf("%s\nended with %d after %s\nstdout: %s\nstderr: %s", r.Command, r.Code,
		r.Took.Round(time.Millisecond), clip(r.Stdout), clip(r.Stderr))
}

// clip shortens text from its middle, because causes stand at the end and reasons at the start.
func clip(text string) string {
	const most = 6000
	text = strings.TrimSpace(text)
	if len(text) <= most {
		return text
	}
	return text[:most/2] + "\n[...]\n" + text[len(text)-most/2:]
}

// command is a program to be run, with additions to the environment.
type command struct {
	env   []string
	stdin string
	args  []string
}

// run runs it to its end.
func (c command) run(ctx context.Context) Result {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	p, err := c.start(ctx)
	if err != nil {
		return Result{Command: strings.Join(c.args, " "), Code: -1, Stderr: err.Error()}
	}
	return p.Wait()
}

// start starts it; it is killed when ctx ends.
func (c command) start(ctx context.Context) (*Process, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	// Grandchildren that keep the pipes open must not keep the test.
	cmd.WaitDelay = 5 * time.Second
	p := &Process{cmd: cmd, started: time.Now(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	if c.stdin != "" {
		cmd.Stdin = strings.NewReader(c.stdin)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // ProcessState tells
		p.took = time.Since(p.started)
		close(p.done)
	}()
	return p, nil
}

// Process is a command that runs beside the scenario.
type Process struct {
	cmd            *exec.Cmd
	stdout, stderr lockedBuffer
	started        time.Time
	took           time.Duration
	done           chan struct{}
}

// Signal sends it a signal; one that has ended already is no failure.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output returns what it wrote so far.
func (p *Process) Output() (stdout, stderr string) { return p.stdout.String(), p.stderr.String() }

// Wait waits for its end.
func (p *Process) Wait() Result {
	<-p.done
	return Result{
		Command: strings.Join(p.cmd.Args, " "), Code: p.cmd.ProcessState.ExitCode(),
		Stdout: p.stdout.String(), Stderr: p.stderr.String(), Took: p.took,
	}
}

// stop ends it, kindly at first.
func (p *Process) stop() {
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// lockedBuffer can be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// dockerRun runs docker.
func dockerRun(args ...string) Result {
	return command{args: append([]string{"docker"}, args...)}.run(context.Background())
}
