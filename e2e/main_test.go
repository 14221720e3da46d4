//go:build e2e

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"testing"
	"time"
)

// TestMain runs the scenarios and fails the run if any of them leaves something behind.
func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if run, err = newRun(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	setParallel()
	stop := cleanUpOnEarlyEnd()
	code := m.Run()
	stop()
	if err := cleanUp(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// cleanUp removes what the scenarios share and checks that nothing else is left.
func cleanUp() error {
	return errors.Join(removeShared(), removeHostImages(), checkLeaks(), run.remove())
}

// setParallel lets more scenarios run at once than there are CPUs, because they mostly wait. -parallel overrides.
func setParallel() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "6")
	}
}

// cleanUpOnEarlyEnd cleans up when the run is interrupted, or a minute before its time limit would end it without
// a chance to. The returned function calls that off.
func cleanUpOnEarlyEnd() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var limit <-chan time.Time
	if f := flag.Lookup("test.timeout"); f != nil {
		if d, ok := f.Value.(flag.Getter).Get().(time.Duration); ok && d > 2*time.Minute {
			limit = time.After(d - time.Minute)
		}
	}
	done := make(chan struct{})
	go func() {
		code := 130
		select {
		case <-done:
			return
		case <-signals:
			fmt.Fprintln(os.Stderr, "e2e: interrupted, cleaning up")
		case <-limit:
			code = 1
			fmt.Fprintln(os.Stderr, "e2e: the time limit is near, cleaning up; what runs now:")
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		}
		if err := cleanUp(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
		}
		os.Exit(code)
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
