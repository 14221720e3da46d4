package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// Attach implements cluster.Console.
func (e *Engine) Attach(ctx context.Context, containerName string) (io.ReadCloser, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := c.ContainerAttach(ctx, containerName, container.AttachOptions{Stream: true, Stdout: true})
	if err != nil {
		// The client does not read what the engine says when it refuses to attach. Asked about the container, it
		// says the same, or that it is paused, which is the other reason.
		inspected, inspectErr := c.ContainerInspect(ctx, containerName)
		switch {
		case inspectErr != nil:
			err = inspectErr
		case inspected.State != nil && inspected.State.Paused:
			err = errPaused
		}
		return nil, e.explain("attach to container "+containerName, err)
	}
	r, w := io.Pipe()
	s := &attachment{PipeReader: r, conn: conn}
	// A hijacked connection knows nothing of the context any more.
	s.release = context.AfterFunc(ctx, func() {
		_ = r.CloseWithError(context.Cause(ctx))
		conn.Close()
	})
	go func() {
		_, err := stdcopy.StdCopy(w, io.Discard, conn.Reader)
		w.CloseWithError(err) // nil is EOF
	}()
	return s, nil
}

// errPaused is in the engine's words, so that the catalogue knows it.
var errPaused = errors.New("the container is paused, unpause the container before attach")

// attachment is a container's standard output.
type attachment struct {
	*io.PipeReader
	conn    types.HijackedResponse
	release func() bool
}

// Close ends the stream.
func (a *attachment) Close() error {
	a.release()
	a.conn.Close()
	return a.PipeReader.Close()
}

// Logs implements cluster.Console.
func (e *Engine) Logs(ctx context.Context, containerName string, tail int, w io.Writer) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "all"}
	if tail > 0 {
		options.Tail = strconv.Itoa(tail)
	}
	r, err := c.ContainerLogs(ctx, containerName, options)
	if err != nil {
		return e.explain("read the log of container "+containerName, err)
	}
	defer r.Close()
	_, err = stdcopy.StdCopy(w, w, r)
	return e.explain("read the log of container "+containerName, err)
}

// Exec implements cluster.Console. If ctx ends, the command's streams are closed and Exec returns; Docker has no
// way to kill a command, so one that neither reads nor writes lives on until it ends by itself.
func (e *Engine) Exec(ctx context.Context, containerName string, spec cluster.ExecSpec) (int, error) {
	c, err := e.api(ctx)
	if err != nil {
		return 0, err
	}
	op := "run a command in container " + containerName
	options := container.ExecOptions{Cmd: spec.Cmd, Env: spec.Env, Tty: spec.TTY,
		AttachStdin: spec.Stdin != nil, AttachStdout: true, AttachStderr: true}
	created, err := c.ContainerExecCreate(ctx, containerName, options)
	if err != nil {
		return 0, e.explain(op, err)
	}
	conn, err := c.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{Tty: spec.TTY})
	if err != nil {
		return 0, e.explain(op, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	stopResizing := e.resize(ctx, created.ID, spec.Resize)
	defer stopResizing()

	if err := stream(conn, spec); err != nil || ctx.Err() != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, e.explain(op, err)
	}
	code, err := e.exitCode(ctx, created.ID)
	return code, e.explain(op, err)
}

// stream copies in both directions until the command closes its output. Standard input may outlive it: a read
// from a terminal cannot be interrupted.
func stream(conn types.HijackedResponse, spec cluster.ExecSpec) error {
	if spec.Stdin != nil {
		go func() {
			_, _ = io.Copy(conn.Conn, spec.Stdin)
			if spec.TTY {
				// The engine would close the output together with the input. Besides, Ctrl-D is how input ends
				// on a terminal.
				_, _ = conn.Conn.Write([]byte{4})
				return
			}
			_ = conn.CloseWrite()
		}()
	}
	stdout, stderr := spec.Stdout, spec.Stderr
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	var err error
	if spec.TTY {
		_, err = io.Copy(stdout, conn.Reader)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, conn.Reader)
	}
	return err
}

// resize passes on the sizes of the terminal until it is stopped.
func (e *Engine) resize(ctx context.Context, execID string, sizes <-chan cluster.WindowSize) (stop func()) {
	if sizes == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case size, ok := <-sizes:
				if !ok {
					return
				}
				// A command that has just ended has no terminal: nothing is lost.
				_ = e.client.ContainerExecResize(ctx, execID, container.ResizeOptions{Width: uint(size.Columns), Height: uint(size.Rows)})
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// exitCode returns the exit code of a command whose output has ended. The engine learns of the end of a process
// a moment after its output has ended, and offers nothing to wait for it.
func (e *Engine) exitCode(ctx context.Context, execID string) (int, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		inspected, err := e.client.ContainerExecInspect(ctx, execID)
		if err != nil {
			return 0, err
		}
		if !inspected.Running {
			return inspected.ExitCode, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// CopyFrom implements cluster.Console.
func (e *Engine) CopyFrom(ctx context.Context, containerName, path string) (io.ReadCloser, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	r, _, err := c.CopyFromContainer(ctx, containerName, path)
	if err != nil {
		return nil, e.explain(fmt.Sprintf("copy %s:%s", containerName, path), err)
	}
	return r, nil
}
