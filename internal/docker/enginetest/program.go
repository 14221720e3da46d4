package enginetest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/term"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// programEnv marks a run of the test binary as a program in a container.
const programEnv = "SKIFF_ENGINETEST_PROGRAM"

// Run of the program: what it is given, on Docker by its process and on a fake by the fake.
type Run struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Stop is closed when the program should end.
	Stop <-chan struct{}
	// Size is that of the terminal, zero without one.
	Size func() cluster.WindowSize
}

// Main runs the tests, or the program if this process was started in a container. Call it from TestMain.
func Main(m *testing.M) {
	if os.Getenv(programEnv) == "" {
		os.Exit(m.Run())
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	stop := make(chan struct{})
	go func() { <-signals; close(stop) }()
	os.Exit(Program(Run{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Stop: stop, Size: terminalSize}))
}

func terminalSize() cluster.WindowSize {
	columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return cluster.WindowSize{}
	}
	return cluster.WindowSize{Columns: uint16(columns), Rows: uint16(rows)}
}

// Program is what runs in the suite's containers; it returns its exit code.
//
//	serve         say "hello" on both outputs and run until stopped
//	say WORDS     write them to standard output
//	fail CODE     write "failed" to standard error and end with the code
//	cat           copy standard input to standard output
//	size          wait until the terminal is 101 by 37 and say so
//	env NAME      write the value of a variable
func Program(run Run) int {
	if len(run.Args) == 0 {
		return 64
	}
	switch args := run.Args[1:]; run.Args[0] {
	case "serve":
		fmt.Fprintln(run.Stdout, "hello stdout")
		fmt.Fprintln(run.Stderr, "hello stderr")
		<-run.Stop
	case "say":
		fmt.Fprintln(run.Stdout, strings.Join(args, " "))
	case "fail":
		fmt.Fprintln(run.Stderr, "failed")
		code, _ := strconv.Atoi(args[0])
		return code
	case "cat":
		if _, err := io.Copy(run.Stdout, bufio.NewReader(run.Stdin)); err != nil {
			return 1
		}
	case "size":
		return awaitSize(run)
	case "env":
		fmt.Fprintln(run.Stdout, os.Getenv(args[0]))
	default:
		return 64
	}
	return 0
}

// awaitSize polls, because a program without a terminal of its own (the fake's) gets no signal.
func awaitSize(run Run) int {
	for range 1000 {
		if size := run.Size(); size == (cluster.WindowSize{Columns: 101, Rows: 37}) {
			fmt.Fprintf(run.Stdout, "%dx%d\n", size.Columns, size.Rows)
			return 0
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 1
}
