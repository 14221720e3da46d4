package dockertest_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/enginetest"
)

// TestConformance holds the engine in memory to what Docker does.
func TestConformance(t *testing.T) {
	e := dockertest.New()
	e.ListenOnPorts()
	e.OnStart(func(p *dockertest.Process) int {
		return enginetest.Program(enginetest.Process{
			Args: p.Spec.Cmd, Stdin: new(bytes.Reader), Stdout: p.Stdout(), Stderr: p.Stderr(), Stop: p.Stopping(),
			Size:     func() cluster.WindowSize { return cluster.WindowSize{} },
			Getenv:   getenv(p.Spec.Env),
			ReadFile: p.ReadFile, WriteFile: p.WriteFile, Lookup: lookup(p),
			Listen: func(port uint16) (net.Listener, error) { return p.Listener(port), nil },
		})
	})
	e.OnExec(exec)
	enginetest.Run(t, enginetest.Harness{Engine: e})
}

// exec runs a command as Docker would.
func exec(ctx context.Context, p *dockertest.Process, spec cluster.ExecSpec) (int, error) {
	if spec.Cmd[0] != "/program" {
		return 127, nil
	}
	terminal := &terminal{}
	if spec.Resize != nil {
		go terminal.follow(ctx, spec.Resize)
	}
	var stdin io.Reader = new(bytes.Reader)
	if spec.Stdin != nil {
		stdin = cancellable{ctx, spec.Stdin}
	}
	code := enginetest.Program(enginetest.Process{
		Args: spec.Cmd[1:], Stdin: stdin, Stdout: spec.Stdout, Stderr: spec.Stderr, Stop: p.Stopping(),
		Size: terminal.Size, Getenv: getenv(spec.Env), ReadFile: p.ReadFile, WriteFile: p.WriteFile,
		Lookup: lookup(p),
	})
	return code, nil
}

func lookup(p *dockertest.Process) func(string) ([]string, error) {
	return func(name string) (found []string, err error) {
		for _, address := range p.Lookup(name) {
			found = append(found, address.String())
		}
		return found, nil
	}
}

func getenv(env []string) func(string) string {
	return func(name string) string {
		for _, entry := range env {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// terminal has the size that it was last given.
type terminal struct {
	mu   sync.Mutex
	size cluster.WindowSize
}

func (t *terminal) follow(ctx context.Context, sizes <-chan cluster.WindowSize) {
	for {
		select {
		case size := <-sizes:
			t.mu.Lock()
			t.size = size
			t.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// Size is the terminal's.
func (t *terminal) Size() cluster.WindowSize {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size
}

// cancellable is an input that ends with a context, as a connection to Docker does.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancellable) Read(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buf := make([]byte, len(b))
	go func() {
		n, err := c.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(b, buf[:r.n]), r.err
	case <-c.ctx.Done():
		return 0, os.ErrDeadlineExceeded
	}
}
