package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultGrace = 10 * time.Second
	// drainTime is how long after a child's end its pipes are still read. They end with the child, unless it
	// gave them to a process that left its group.
	drainTime = time.Second
)

// Process is a Runner that runs a program as a child process in a process group of its own. To stop it, the
// program gets SIGTERM, and no one else in the group: it knows best what to do about its helpers. What is
// left of the group after the program ended, or after Grace, is killed.
type Process struct {
	// Args are the program's path and its arguments.
	Args []string
	// Log receives its output too, line by line: a log file. May be nil.
	Log io.Writer
	// Events, if not nil, is called with the read end of a pipe, whose write end the program has as file
	// descriptor 3. It should return at the end of the file; Run returns after it did.
	Events func(io.Reader)
	// OwnMounts gives the program a mount namespace of its own, in which it may cover files without others seeing it.
	// Mounts that are shared go on to appear on both sides.
	OwnMounts bool
	// TimerSlack is how late the program's timers may be, so that one wake-up does for several; zero is Linux' default of
	// 50 µs (prctl(2), PR_SET_TIMERSLACK). Its own children inherit it.
	TimerSlack time.Duration
	// Grace is the time between SIGTERM and SIGKILL, 10 s if zero.
	Grace time.Duration

	// What only tests tell a program: its environment, nil for this process's own, and files, which become its file
	// descriptors from 3 on, from 4 on if there is Events.
	env   []string
	files []*os.File
}

var (
	_ Runner        = Process{}
	_ startReporter = Process{}
	_ slowStopper   = Process{}
)

// Run runs the program once.
func (p Process) Run(ctx context.Context, log *LogRing) error {
	return p.runReporting(ctx, log, func(int) {})
}

// stopTime is how long Run may take to return after ctx ended.
func (p Process) stopTime() time.Duration {
	// The pipes are drained one after the other; the last second is the kernel's, to end what it was told to.
	return orDefault(p.Grace, defaultGrace) + 2*drainTime + time.Second
}

// runReporting is Run, and calls started with the process's number as soon as there is one.
func (p Process) runReporting(ctx context.Context, log *LogRing, started func(pid int)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(p.Args) == 0 {
		return errors.New("no program to run")
	}
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.OwnMounts {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS // Unshareflags would cut all propagation
	}

	output, err := newDrain(func(r io.Reader) { p.copyLines(log, r) })
	if err != nil {
		return err
	}
	defer output.finish()
	cmd.Stdout, cmd.Stderr = output.child, output.child
	if p.Events != nil {
		events, err := newDrain(p.Events)
		if err != nil {
			return err
		}
		defer events.finish()
		cmd.ExtraFiles = append(cmd.ExtraFiles, events.child)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, p.files...)

	release, err := p.start(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", filepath.Base(p.Args[0]), err)
	}
	defer release()
	started(cmd.Process.Pid)
	return p.await(ctx, cmd)
}

// start starts the program with its timer slack, which it has of the thread that starts it.
func (p Process) start(cmd *exec.Cmd) (release func(), err error) {
	if p.TimerSlack == 0 {
		return children.start(cmd)
	}
	runtime.LockOSThread()
	defer func() {
		if unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) == nil { // back to the default
			runtime.UnlockOSThread()
		} // else the thread ends with this goroutine
	}()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(p.TimerSlack), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("set the timer slack: %w", err)
	}
	return children.start(cmd)
}

// await waits for the end of the program and of its group, which it brings about when ctx ends.
func (p Process) await(ctx context.Context, cmd *exec.Cmd) error {
	pid := cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- awaitExit(pid) }()
	killed := false
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = unix.Kill(pid, unix.SIGTERM) // it cannot be gone: nobody waited for it yet
		grace := time.NewTimer(orDefault(p.Grace, defaultGrace))
		defer grace.Stop()
		select {
		case err = <-ended:
		case <-grace.C:
			killed = true
			_ = unix.Kill(-pid, unix.SIGKILL)
			err = <-ended
		}
	}
	if err == nil {
		// As long as the program is not waited for, its number and its group's cannot be anyone else's.
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	if waitErr := cmd.Wait(); cmd.ProcessState == nil {
		return errors.Join(err, waitErr)
	}
	switch {
	case killed:
		return fmt.Errorf("did not end within %s of SIGTERM and was killed", orDefault(p.Grace, defaultGrace))
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return describeExit(cmd.ProcessState)
	}
}

// describeExit says how a program ended that nobody asked to.
func describeExit(state *os.ProcessState) error {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Errorf("killed by signal %d (%s)", int(status.Signal()), status.Signal())
	}
	return fmt.Errorf("exited with code %d", state.ExitCode())
}

// copyLines copies lines to the ring and the log. What cannot be logged is dropped: a full disk must not
// stop the program.
func (p Process) copyLines(log *LogRing, r io.Reader) {
	defer log.endLine()
	lines := bufio.NewReaderSize(r, 16<<10)
	for {
		line, err := lines.ReadSlice('\n')
		_, _ = log.Write(line) // never fails
		if p.Log != nil && len(line) > 0 {
			_, _ = p.Log.Write(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) { // a longer line comes in pieces
			return
		}
	}
}

// drain is a pipe from a child to a function that reads it.
type drain struct {
	parent, child *os.File
	done          chan struct{}
}

func newDrain(read func(io.Reader)) (*drain, error) {
	parent, child, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	d := &drain{parent: parent, child: child, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		read(parent)
		_, _ = io.Copy(io.Discard, parent) // the child must not block because its reader lost interest
	}()
	return d, nil
}

// finish closes this side's copy of the child's end, waits until what is in the pipe was read, and closes it.
func (d *drain) finish() {
	_ = d.child.Close()
	_ = d.parent.SetReadDeadline(time.Now().Add(drainTime))
	<-d.done
	_ = d.parent.Close()
}
