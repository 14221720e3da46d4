package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// The scenario stays on the main thread, which is the one that inherits orphans: the kernel shows the children of
// one thread in the order in which it got them, so that a child made there hides a later orphan.
func init() {
	if os.Getenv(childEnv) == "reaper" {
		runtime.LockOSThread()
	}
}

// TestReap runs the scenario in a process of its own, because a reaper is for a whole process.
func TestReap(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = childEnviron("reaper")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// reaperScenario inherits processes that end, while it runs others whose exit codes must not get lost.
func reaperScenario() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	collected := make(chan int, 1000)
	stop, err := children.reap(func(pid int) { collected <- pid })
	if err != nil {
		return err
	}
	if err := hiddenOrphan(collected); err != nil {
		return fmt.Errorf("an orphan behind a child: %w", err)
	}
	if err := manyOrphans(collected); err != nil {
		return err
	}
	stop()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		return fmt.Errorf("there are children left: wait4 says %d, %w", pid, err)
	}
	if len(collected) > 0 {
		return fmt.Errorf("process %d was collected, which nobody made an orphan", <-collected)
	}
	return nil
}

// hiddenOrphan: an orphan's end is seen although a child that ended earlier has not been waited for yet.
func hiddenOrphan(collected <-chan int) error {
	first := self("fail")
	release, err := children.start(first)
	if err != nil {
		return err
	}
	if err := awaitExit(first.Process.Pid); err != nil {
		return err
	}
	orphan, err := makeOrphan("orphan-brief", nil)
	if err != nil {
		return err
	}
	if err := awaitExit(orphan); err != nil && !errors.Is(err, unix.ECHILD) { // collected already: that is fine, too
		return err
	}
	var exit *exec.ExitError
	if err := first.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		return fmt.Errorf("the child's status got lost: %w", err)
	}
	release()
	if pid := <-collected; pid != orphan {
		return fmt.Errorf("collected %d, want %d", pid, orphan)
	}
	return nil
}

// manyOrphans makes orphans that end at once, and some that end together, with commands between them.
func manyOrphans(collected <-chan int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	const makers, rounds = 8, 5
	orphans := make(chan int, 2*makers*rounds)
	var group errgroup.Group
	for range makers {
		group.Go(func() error {
			for range rounds {
				for _, mode := range []string{"orphan", "orphan-brief"} {
					pid, err := makeOrphan(mode, r)
					if err != nil {
						return err
					}
					orphans <- pid
				}
				if err := child("fail").Run(context.Background(), new(LogRing)); errorText(err) != "exited with code 3" {
					return fmt.Errorf("a program's status got lost: %w", err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil { // now the others end
		return err
	}
	missing := map[int]bool{}
	for range 2 * makers * rounds {
		missing[<-orphans] = true
	}
	for len(missing) > 0 {
		delete(missing, <-collected)
	}
	return nil
}

// makeOrphan runs a program that leaves a process behind, and returns the latter's number.
func makeOrphan(mode string, held *os.File) (int, error) {
	p := child(mode)
	if held != nil {
		p.files = []*os.File{held}
	}
	var log LogRing
	if err := p.Run(context.Background(), &log); err == nil || err.Error() != "exited with code 7" {
		return 0, fmt.Errorf("the exit code got lost: %w, %q", err, log.Lines())
	}
	return strconv.Atoi(log.Lines()[0])
}
