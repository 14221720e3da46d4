package supervise

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children are the processes that somebody in this program waits for. PID 1 of a container also inherits
// every process whose parent ended, and must collect those; but a plain wait for "any child" would take
// the exit status of its own children away from os/exec. So a reaper looks first at who has ended and leaves
// the registered ones alone.
var children = &registry{count: map[int]int{}, freed: make(chan struct{}, 1)}

type registry struct {
	// mu is held while a child is started, so that a child that ends at once is known before the reaper
	// looks, and while the reaper looks and collects.
	mu sync.Mutex
	// count is more than one when a number was given to a new child before the old one was released.
	count map[int]int
	// freed holds a token if a child was released: others that have ended may have been hidden behind it.
	freed chan struct{}
}

// start starts cmd and registers its process. The caller calls release after it waited for it.
func (r *registry) start(cmd *exec.Cmd) (release func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	r.count[pid]++
	return func() { r.release(pid) }, nil
}

func (r *registry) release(pid int) {
	r.mu.Lock()
	if r.count[pid]--; r.count[pid] == 0 {
		delete(r.count, pid)
	}
	r.mu.Unlock()
	select {
	case r.freed <- struct{}{}:
	default: // there is a token already
	}
}

// Reap begins to collect the inherited processes that end. stop ends that, after a last look.
func Reap() (stop func(), err error) { return children.reap(func(int) {}) }

// reap calls collected with each process it collected.
func (r *registry) reap(collected func(pid int)) (stop func(), err error) {
	signals := make(chan os.Signal, 1) // one is enough: each look finds all that have ended
	signal.Notify(signals, unix.SIGCHLD)
	if err := r.collectAll(collected); err != nil {
		signal.Stop(signals)
		return nil, err
	}
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer signal.Stop(signals)
		for {
			last := false
			select {
			case <-signals:
			case <-r.freed:
			case <-stopped:
				last = true
			}
			_ = r.collectAll(collected) // the first look told that it works
			if last {
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(stopped); <-done }), nil
}

// collectAll collects the inherited processes that have ended.
func (r *registry) collectAll(collected func(pid int)) error {
	for {
		pid, err := r.collectOne()
		if err != nil || pid == 0 {
			return err
		}
		collected(pid)
	}
}

// collectOne collects one inherited process that has ended. It returns 0 if there is none, or if a
// registered child comes first: whoever waits for that releases it soon, and then more can be seen.
func (r *registry) collectOne() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := peekEnded()
	if err != nil || pid == 0 || r.count[pid] > 0 {
		return 0, err
	}
	err = retryEINTR(func() error {
		_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		return err
	})
	if errors.Is(err, unix.ECHILD) {
		return 0, nil // somebody else waited for it, without having registered
	}
	return pid, os.NewSyscallError("wait4", err)
}

// childInfo is the kernel's siginfo_t as waitid fills it on the architectures that Skiff is built for;
// unix.Siginfo hides the process's number.
type childInfo struct {
	signo, errno, code, _ int32
	pid                   int32
	_                     [108]byte
}

// peekEnded returns a child that has ended, 0 if there is none, and leaves it as it is.
func peekEnded() (int, error) {
	var info childInfo
	err := retryEINTR(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	if errors.Is(err, unix.ECHILD) {
		return 0, nil // no children at all
	}
	return int(info.pid), os.NewSyscallError("waitid", err)
}

// awaitExit blocks until a child has ended, and leaves it to be waited for.
func awaitExit(pid int) error {
	return os.NewSyscallError("waitid", retryEINTR(func() error {
		return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}))
}

func retryEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
