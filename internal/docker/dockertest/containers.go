package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// container is a container, running or not.
type container struct {
	id       string
	spec     cluster.ContainerSpec
	state    string
	created  time.Time
	files    fileTree
	log      []byte
	attached []*stream
	process  *Process // nil unless it runs
	exitCode int
	dynamic  netip.Addr // while it runs, if it has no fixed one
}

// CreateContainer implements cluster.Provisioner. As with Docker, a missing network shows at the start only, and
// a missing volume is made.
func (e *Engine) CreateContainer(ctx context.Context, spec cluster.ContainerSpec) (string, error) {
	end, err := e.begin(ctx, "CreateContainer", spec.Name)
	if err != nil {
		return "", err
	}
	id, err := e.createContainer(spec)
	return id, end(err)
}

func (e *Engine) createContainer(spec cluster.ContainerSpec) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.findImage(spec.Image) == nil {
		return "", notFound("image", spec.Image)
	}
	if _, ok := e.containers[spec.Name]; ok {
		return "", conflict("the container name %q is already in use", spec.Name)
	}
	if err := checkBinds(spec); err != nil {
		return "", err
	}
	for name := range spec.Volumes {
		if _, ok := e.volumes[name]; !ok {
			e.volumes[name] = &volume{cluster.Volume{Name: name}, fileTree{}}
		}
	}
	c := &container{id: e.id(), spec: spec, state: "created", created: now(), files: fileTree{}}
	for _, dir := range e.imageDirs {
		c.files[dir] = file{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
	}
	e.containers[spec.Name] = c
	return c.id, nil
}

// StartContainer implements cluster.Provisioner.
func (e *Engine) StartContainer(ctx context.Context, name string) error {
	end, err := e.begin(ctx, "StartContainer", name)
	if err != nil {
		return err
	}
	return end(e.startContainer(name))
}

func (e *Engine) startContainer(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(name)
	if err != nil {
		return err
	}
	if c.state == "paused" {
		return conflict("container %s is paused", name)
	}
	if c.process != nil {
		return nil
	}
	if err := checkBinds(c.spec); err != nil {
		return err
	}
	if err := e.connect(c); err != nil {
		return err
	}
	listeners, err := e.publish(c.spec)
	if err != nil {
		return err
	}
	p := &Process{Name: c.spec.Name, Spec: c.spec, engine: e, c: c, stop: make(chan struct{}), done: make(chan struct{}),
		listeners: listeners, inner: map[uint16]*inner{}}
	c.process, c.state = p, "running"
	program := e.onStart
	if program == nil {
		program = func(p *Process) int { <-p.Stopping(); return 0 }
	}
	go func() { e.ended(p, program(p)) }()
	return nil
}

// portTaken says if a host port is in use. The caller holds mu.
func (e *Engine) portTaken(port uint16) bool {
	for _, c := range e.containers {
		if c.process == nil {
			continue
		}
		for _, p := range c.spec.Ports {
			if p.HostPort == port {
				return true
			}
		}
	}
	return e.takenPorts[port]
}

// ended notes that a process ended. The first end counts: a program may return long after it was killed.
func (e *Engine) ended(p *Process, exitCode int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.c.process != p {
		return
	}
	p.c.thaw()
	p.c.process, p.c.state, p.c.exitCode, p.c.dynamic = nil, "exited", exitCode, netip.Addr{}
	for _, s := range p.c.attached {
		s.end(io.EOF)
	}
	p.c.attached = nil
	for _, l := range p.listeners {
		_ = l.Close()
	}
	for _, l := range p.inner {
		_ = l.Close()
	}
	p.askToStop()
	close(p.done)
}

// Kill ends a running container at once with an exit code, as a crash of its program would.
func (e *Engine) Kill(name string, exitCode int) {
	e.mu.Lock()
	c, err := e.find(name)
	var p *Process
	if err == nil {
		p = c.process
	}
	e.mu.Unlock()
	if p != nil {
		e.ended(p, exitCode)
	}
}

// StopContainer implements cluster.Provisioner.
func (e *Engine) StopContainer(ctx context.Context, name string, grace time.Duration) error {
	end, err := e.begin(ctx, "StopContainer", name)
	if err != nil {
		return err
	}
	e.mu.Lock()
	c, err := e.find(name)
	var p *Process
	if err == nil {
		c.thaw()
		p = c.process
	}
	e.mu.Unlock()
	if p == nil {
		return end(err)
	}
	p.askToStop()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		e.ended(p, 137)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return end(err)
}

// RenameContainer implements cluster.Provisioner.
func (e *Engine) RenameContainer(ctx context.Context, containerName, name string) error {
	end, err := e.begin(ctx, "RenameContainer", containerName+" "+name)
	if err != nil {
		return err
	}
	return end(e.renameContainer(containerName, name))
}

func (e *Engine) renameContainer(containerName, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	if err != nil || c.spec.Name == name {
		return err
	}
	if _, taken := e.containers[name]; taken {
		return conflict("the container name %q is already in use", name)
	}
	delete(e.containers, c.spec.Name)
	c.spec.Name = name
	e.containers[name] = c
	return nil
}

// RemoveContainer implements cluster.Provisioner.
func (e *Engine) RemoveContainer(ctx context.Context, name string) error {
	end, err := e.begin(ctx, "RemoveContainer", name)
	if err != nil {
		return err
	}
	e.Kill(name, 137)
	e.mu.Lock()
	c, err := e.find(name)
	if err == nil {
		for _, s := range c.attached {
			s.end(io.EOF)
		}
		delete(e.containers, c.spec.Name)
	}
	e.mu.Unlock()
	return end(err)
}

// Attach implements cluster.Console.
func (e *Engine) Attach(ctx context.Context, name string) (io.ReadCloser, error) {
	end, err := e.begin(ctx, "Attach", name)
	if err != nil {
		return nil, err
	}
	s := newStream()
	e.mu.Lock()
	c, err := e.find(name)
	if err == nil && c.state == "paused" {
		err = conflict("container %s is paused", name)
	}
	if err == nil { // of a container that has ended, it waits for the next run
		c.attached = append(c.attached, s)
		context.AfterFunc(ctx, func() { s.end(ctx.Err()) })
	}
	e.mu.Unlock()
	if err := end(err); err != nil {
		return nil, err
	}
	return s, nil
}

// Logs implements cluster.Console.
func (e *Engine) Logs(ctx context.Context, name string, tail int, w io.Writer) error {
	end, err := e.begin(ctx, "Logs", name)
	if err != nil {
		return err
	}
	e.mu.Lock()
	c, err := e.find(name)
	var log []byte
	if err == nil {
		log = bytes.Clone(c.log)
	}
	e.mu.Unlock()
	if err == nil {
		_, err = w.Write(lastLines(log, tail))
	}
	return end(err)
}

// lastLines returns the last n lines of a log, all of them if n is 0.
func lastLines(log []byte, n int) []byte {
	if n == 0 {
		return log
	}
	lines := bytes.SplitAfter(log, []byte("\n"))
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return bytes.Join(lines[max(0, len(lines)-n):], nil)
}

// Exec implements cluster.Console.
func (e *Engine) Exec(ctx context.Context, name string, spec cluster.ExecSpec) (int, error) {
	end, err := e.begin(ctx, "Exec", name)
	if err != nil {
		return 0, err
	}
	e.mu.Lock()
	c, err := e.find(name)
	var p *Process
	if err == nil {
		switch p = c.process; {
		case p == nil:
			err = conflict("container %s is not running", name)
		case c.state == "paused":
			err = conflict("container %s is paused", name)
		}
	}
	handler := e.onExec
	e.mu.Unlock()
	if err != nil || handler == nil {
		return 0, end(err)
	}
	if spec.Stdout == nil {
		spec.Stdout = io.Discard
	}
	if spec.Stderr == nil {
		spec.Stderr = io.Discard
	}
	code, err := handler(ctx, p, spec)
	if err == nil {
		err = ctx.Err()
	}
	return code, end(err)
}
