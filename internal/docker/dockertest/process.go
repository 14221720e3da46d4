package dockertest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// StartFunc is the program of a container: it runs from StartContainer until it returns its exit code. It
// should return soon after [Process.Stopping] is closed. One function serves all containers; it tells them
// apart by Process.Name.
type StartFunc func(p *Process) int

// ExecFunc answers Exec: it returns the exit code, or an error of the engine's.
type ExecFunc func(ctx context.Context, p *Process, spec cluster.ExecSpec) (int, error)

// OnStart sets the program of containers that are started from now on. Without one they do nothing until they
// are stopped.
func (e *Engine) OnStart(f StartFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onStart = f
}

// OnExec sets what answers Exec. Without it every command ends at once with exit code 0.
func (e *Engine) OnExec(f ExecFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onExec = f
}

// Process is one run of a container, from a start to its end.
type Process struct {
	Name string
	Spec cluster.ContainerSpec

	engine *Engine
	c      *container
	stop   chan struct{}
	once   sync.Once
	done   chan struct{} // closed when the container has ended
	// listeners on the host, by the container's port.
	listeners map[uint16]net.Listener
	// inner are those on the container's own addresses.
	inner  map[uint16]*inner
	frozen chan struct{} // nil unless the container is paused; closed when it goes on
}

// Listener is what arrives at one of the container's published ports; nil unless the engine was told to
// [Engine.ListenOnPorts]. It is closed when the container ends.
func (p *Process) Listener(containerPort uint16) net.Listener {
	l := p.listeners[containerPort]
	if l == nil {
		return nil
	}
	return freezable{l, p}
}

// Stopping is closed when the container is asked to stop, or is killed.
func (p *Process) Stopping() <-chan struct{} { return p.stop }

// Stdout is what Attach and Logs see. It blocks only while the container is paused.
func (p *Process) Stdout() io.Writer { return processOutput{p, true} }

// Stderr is what only Logs sees.
func (p *Process) Stderr() io.Writer { return processOutput{p, false} }

// Emit writes an event to standard output, as PID 1 of a node does.
func (p *Process) Emit(event nodeapi.Event) {
	line, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	_, _ = p.Stdout().Write(append(line, '\n'))
}

// Engine is what the container runs in.
func (p *Process) Engine() *Engine { return p.engine }

// Lookup asks the engine's DNS for a name, as [Engine.Lookup] does.
func (p *Process) Lookup(name string) []netip.Addr { return p.engine.Lookup(p.Name, name) }

// ReadFile reads a file of the container, or of what is mounted there.
func (p *Process) ReadFile(path string) ([]byte, error) { return p.engine.ReadFile(p.Name, path) }

// WriteFile writes a file into the container, or onto what is mounted there.
func (p *Process) WriteFile(path string, content []byte) error {
	return p.engine.WriteFile(p.Name, path, content)
}

func (p *Process) askToStop() { p.once.Do(func() { close(p.stop) }) }

// processOutput passes on what a process writes, until the process is no longer the one that runs.
type processOutput struct {
	p      *Process
	stdout bool
}

func (w processOutput) Write(b []byte) (int, error) {
	runs := w.p.lockUnfrozen()
	defer w.p.engine.mu.Unlock()
	if !runs {
		return 0, io.ErrClosedPipe
	}
	w.p.c.log = append(w.p.c.log, b...)
	if w.stdout {
		for _, s := range w.p.c.attached {
			s.write(b)
		}
	}
	return len(b), nil
}

// stream is a pipe of unlimited size, so that a program never waits for who reads its output.
type stream struct {
	mu     sync.Mutex
	cond   *sync.Cond
	buf    []byte
	closed bool
	err    error
}

func newStream() *stream {
	s := &stream{}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *stream) write(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.buf = append(s.buf, b...)
	}
	s.cond.Broadcast()
}

// end lets the reader see err after what was written.
func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed, s.err = true, err
	}
	s.cond.Broadcast()
}

// Read reads what was written.
func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) == 0 && !s.closed {
		s.cond.Wait()
	}
	if len(s.buf) == 0 {
		return 0, s.err
	}
	n := copy(b, s.buf)
	s.buf = s.buf[n:]
	return n, nil
}

// Close ends the stream from the reader's side.
func (s *stream) Close() error {
	s.end(io.ErrClosedPipe)
	return nil
}
