// Command bench measures Skiff on this machine's Docker: how long things take, in seconds and in d, the time of a
// `docker run` in the same run; what a cluster costs when idle; and what a creation costs in CPU time. With -trace
// it shows step by step where the time of a creation goes.
//
//	go run ./bench -skiff bin/skiff                 measure everything, print a table
//	go run ./bench -skiff bin/skiff -update         … and rewrite the result in docs/benchmarks.md
//	go run ./bench -skiff bin/skiff -only '^create' measure a part
//	go run ./bench -skiff bin/skiff -trace          the steps of a creation
//
// These are measurements, not tests: a goal that is not met is shown and is no failure.
//
// Where things are: figures.go lists what is measured and what it should reach, parts.go which part measures what;
// to add a figure, add a line to both and copy load.go. product.go is how Skiff and its peers are called, sample.go
// the statistics, report.go and document.go the output, trace*.go the steps of a creation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	skiff      string
	iterations int
	only       *regexp.Regexp
	peers      bool
	trace      bool
	update     bool
	json       string
	docs       string
	settle     time.Duration
	window     time.Duration
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		// The first Ctrl-C ends the measurement and removes what it made; the second ends this program at once.
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		err = measure(ctx, o)
		if errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "bench: interrupted")
			os.Exit(130)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.skiff, "skiff", "bin/skiff", "the program to measure")
	flags.IntVar(&o.iterations, "n", 5, "how often each figure is measured")
	flags.StringVar(&only, "only", "", "measure only the figures whose ID matches this regular expression")
	flags.BoolVar(&o.peers, "peers", true, "measure kind too, if it and its node image are here")
	flags.BoolVar(&o.trace, "trace", false, "show where the time of a creation goes, and measure nothing else")
	flags.BoolVar(&o.update, "update", false, "rewrite the result in the documentation")
	flags.StringVar(&o.json, "json", "", "write the result as JSON to this file as well")
	flags.StringVar(&o.docs, "docs", "docs", "directory of benchmarks.md")
	flags.DurationVar(&o.settle, "settle", 30*time.Second, "how long a cluster is left alone before it counts as idle")
	flags.DurationVar(&o.window, "window", time.Minute, "how long an idle cluster is watched")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.iterations < 1:
		err = errors.New("-n must be at least 1")
	case runtime.GOOS != "linux":
		err = errors.New("this measures Docker on the same Linux kernel: run it there")
	case only != "" && o.update:
		err = errors.New("-update writes a whole result: leave out -only")
	default:
		if o.only, err = regexp.Compile(only); err != nil {
			err = fmt.Errorf("-only: %w", err)
		}
	}
	return o, err
}

// measure does what the options say, and removes all that it made, whatever happens.
func measure(ctx context.Context, o options) (err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		left := b.cleanUp(context.WithoutCancel(ctx))
		if left != nil {
			b.say("something is left behind: %v", left)
		}
		err = errors.Join(err, left)
	}()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if o.trace {
		return b.traceCreates(ctx)
	}
	return b.measureAll(ctx)
}
