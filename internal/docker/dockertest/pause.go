package dockertest

import (
	"context"
	"net"
)

// PauseContainer implements cluster.Provisioner. What the program of a paused container writes, and what is sent to
// its ports, waits until it goes on; the program itself is a function of the test and is not held up.
func (e *Engine) PauseContainer(ctx context.Context, name string) error {
	end, err := e.begin(ctx, "PauseContainer", name)
	if err != nil {
		return err
	}
	return end(e.pause(name))
}

func (e *Engine) pause(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(name)
	switch {
	case err != nil:
		return err
	case c.process == nil:
		return conflict("container %s is not running", name)
	case c.state == "paused":
		return conflict("container %s is already paused", name)
	}
	c.state, c.process.frozen = "paused", make(chan struct{})
	return nil
}

// UnpauseContainer implements cluster.Provisioner.
func (e *Engine) UnpauseContainer(ctx context.Context, name string) error {
	end, err := e.begin(ctx, "UnpauseContainer", name)
	if err != nil {
		return err
	}
	return end(e.unpause(name))
}

func (e *Engine) unpause(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(name)
	switch {
	case err != nil:
		return err
	case c.state != "paused":
		return conflict("container %s is not paused", name)
	}
	c.thaw()
	return nil
}

// thaw lets a container go on if it is paused. The caller holds mu.
func (c *container) thaw() {
	if c.state == "paused" {
		c.state = "running"
		close(c.process.frozen)
		c.process.frozen = nil
	}
}

// lockUnfrozen takes mu at a time when the process is not frozen, and says if it is still the one that runs.
func (p *Process) lockUnfrozen() bool {
	for {
		p.engine.mu.Lock()
		frozen := p.frozen
		if frozen == nil {
			return p.c.process == p
		}
		p.engine.mu.Unlock()
		<-frozen
	}
}

// freezable is a listener whose connections arrive only while the container is not paused: the kernel accepts them
// all the same.
type freezable struct {
	net.Listener
	p *Process
}

// Accept waits for a connection, and until the container goes on.
func (l freezable) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	runs := l.p.lockUnfrozen()
	l.p.engine.mu.Unlock()
	if !runs {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	return conn, nil
}
