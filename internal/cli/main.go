package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Main runs the command line and returns the exit code. args are without the program's name; exit ends the process, when a
// second Ctrl-C does not let it return.
func Main(args []string, streams kit.Streams, exit func(code int)) int {
	deps := newDeps(streams)
	ctx, release := withSignals(context.Background(), func() {
		said := make(chan struct{})
		go func() {
			defer close(said)
			if kit.IsTerminal(streams.Err) {
				_, _ = io.WriteString(streams.Err, "\x1b[?25h\n") // the animation hides the cursor
			}
			printError(streams.Err, errEndedAtOnce, deps.JSON(), deps.Flags.Verbose) // flags were read long ago
		}()
		select {
		case <-said:
		case <-time.After(lastWords): // nobody reads
		}
		exit(exitCode(errEndedAtOnce))
	})
	defer release()
	deps.ReleaseSignals = release
	return run(ctx, args, deps)
}

// lastWords is how long the end waits for somebody to read why, at the second Ctrl-C.
const lastWords = 200 * time.Millisecond

// errEndedAtOnce is said at the second Ctrl-C.
var errEndedAtOnce = &fault.Error{Code: fault.Canceled, Summary: "ended at once: what was being made or undone may be left half done",
	Hint: "See with 'skiff list' whether anything of a cluster is left; 'skiff delete NAME' removes it."}

func run(ctx context.Context, args []string, deps *kit.Deps) int {
	root := newRoot(deps)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "invalid argument ") && !errors.As(err, new(*fault.Error)) {
		err = kit.FlagError(root, err) // cobra does not ask for it if the flag stands before the command
	}
	if err != nil && ctx.Err() != nil {
		err = canceled(ctx, err)
	}
	// Of a command line that is wrong nothing counts as read, not even the form of what is said about it.
	asJSON := deps.JSON() || codeOf(err) == fault.Usage && wantsJSON(args)
	printError(deps.Err, err, asJSON, deps.Flags.Verbose)
	return exitCode(err)
}

// wantsJSON says if a command line has --output json, whatever else it has.
func wantsJSON(args []string) bool {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.SetOutput(io.Discard)
	output := flags.StringP("output", "o", "", "")
	_ = flags.Parse(args) // that it is wrong is known
	return *output == string(kit.OutputJSON)
}

// canceled makes one error of what the signal did: whatever failed because of it is no news, except a rollback
// that failed too, which leaves something behind.
func canceled(ctx context.Context, err error) error {
	if codeOf(err) == fault.Canceled {
		return err
	}
	all := []error{&fault.Error{Code: fault.Canceled, Summary: context.Cause(ctx).Error(), Cause: err}}
	var f *fault.Error
	if errors.As(err, &f) {
		all = append(all, siblings(f, err)...)
	}
	return errors.Join(all...)
}

// samePress is how close to the first a second signal is still the same one.
const samePress = 100 * time.Millisecond

// withSignals returns a context that the first SIGINT, SIGTERM or SIGHUP cancels, with a cause. The second of the first
// two calls leave, which ends the program at once: whoever presses Ctrl-C twice does not want to wait for a rollback. A
// terminal that is closed says so more than once. release ends the handling.
func withSignals(parent context.Context, leave func()) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-signals:
			cancel(&fault.Error{Code: fault.Canceled, Summary: "cancelled"})
		case <-done:
			return
		}
		// One Ctrl-C may come twice: to the process, and to its group. Nobody presses it twice that fast.
		first := time.Now()
		for time.Since(first) < samePress {
			select {
			case <-signals:
			case <-time.After(samePress - time.Since(first)):
			case <-done:
				return
			}
		}
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP {
					continue
				}
				leave()
				return
			case <-done:
				return
			}
		}
	}()
	var once sync.Once
	return ctx, func() {
		once.Do(func() {
			signal.Stop(signals)
			close(done)
		})
	}
}
