package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// TestSignals sends this process what Ctrl-C would: the first cancels with a cause, the second ends at once.
func TestSignals(t *testing.T) {
	left := make(chan struct{}, 1)
	ctx, release := withSignals(context.Background(), func() { left <- struct{}{} })
	defer release()
	send(t, syscall.SIGINT)
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the first signal cancels nothing")
	}
	if fault.CodeOf(context.Cause(ctx)) != fault.Canceled {
		t.Errorf("cause: %v", context.Cause(ctx))
	}
	send(t, syscall.SIGINT) // once more at once, as it happens when the whole group is signalled
	select {
	case <-left:
		t.Fatal("ended at the first signal")
	case <-time.After(samePress / 2):
	}
	// What comes sooner is the same press of the key. On a busy machine the signals above may be noticed late, so the key
	// is pressed until somebody listens.
	press := time.NewTicker(2 * samePress)
	defer press.Stop()
	for limit := time.After(time.Minute); ; {
		select {
		case <-press.C:
			send(t, syscall.SIGINT)
		case <-left:
			return
		case <-limit:
			t.Fatal("the second signal does not end the program")
		}
	}
}

// TestTerminalIsClosed cancels as Ctrl-C does, and however often the terminal says so, the rollback goes on.
func TestTerminalIsClosed(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // the tests may run under nohup
	defer signal.Stop(heard)
	left := make(chan struct{}, 1)
	ctx, release := withSignals(context.Background(), func() { left <- struct{}{} })
	defer release()
	for range 3 {
		send(t, syscall.SIGHUP)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
			t.Fatal("nothing is cancelled")
		}
		select {
		case <-left:
			t.Fatal("ended")
		case <-time.After(2 * samePress): // what comes sooner would be the same press of a key
		}
	}
	if fault.CodeOf(context.Cause(ctx)) != fault.Canceled {
		t.Errorf("cause: %v", context.Cause(ctx))
	}
}

func TestReleaseIsIdempotent(t *testing.T) {
	ctx, release := withSignals(context.Background(), func() { t.Error("left") })
	release()
	release()
	if ctx.Err() != nil {
		t.Error("release cancels")
	}
}

func TestCanceled(t *testing.T) {
	if got := exitCode(errEndedAtOnce); got != 130 {
		t.Errorf("the second signal: exit code %d", got)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(&fault.Error{Code: fault.Canceled, Summary: "cancelled"})
	for _, err := range []error{
		errors.New("read: connection closed"),
		context.Canceled,
		&fault.Error{Code: fault.DockerUnreachable, Summary: "x"},
	} {
		if got := exitCode(canceled(ctx, err)); got != 130 {
			t.Errorf("%v: exit code %d", err, got)
		}
		if !knownToUser(canceled(ctx, err)) {
			t.Errorf("%v is told", err)
		}
	}
	rollback := &fault.Error{Code: fault.DockerUnreachable, Summary: "what was made could not be removed again", Hint: "Run 'skiff delete demo'."}
	err := canceled(ctx, errors.Join(&fault.Error{Code: fault.NotReady, Summary: "x"}, rollback))
	if exitCode(err) != 130 || knownToUser(err) || !errors.Is(err, rollback) {
		t.Errorf("a rollback that failed is not told: %v", err)
	}
}

// send sends this process a signal.
func send(t *testing.T, s syscall.Signal) {
	t.Helper()
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}
