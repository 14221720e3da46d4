package enginetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/term"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// programEnv marks a run of the test binary as a program in a container.
const programEnv = "SKIFF_ENGINETEST_PROGRAM"

// Process is a run of the program: what it is given, on Docker by the system and on a fake by the fake.
type Process struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Stop is closed when the program should end.
	Stop <-chan struct{}
	// Size is that of the terminal, zero without one.
	Size     func() cluster.WindowSize
	Getenv   func(string) string
	ReadFile func(string) ([]byte, error)
	// WriteFile writes a file that exists.
	WriteFile func(string, []byte) error
	// Lookup asks the DNS for the addresses of a name.
	Lookup func(string) ([]string, error)
	// Listen accepts connections to a TCP port of the container.
	Listen func(port uint16) (net.Listener, error)
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
	os.Exit(Program(Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Stop: stop, Size: terminalSize,
		Getenv: os.Getenv, ReadFile: os.ReadFile,
		WriteFile: func(name string, content []byte) error { return os.WriteFile(name, content, 0o600) }, Lookup: net.LookupHost,
		Listen: func(port uint16) (net.Listener, error) { return net.Listen("tcp", fmt.Sprintf(":%d", port)) },
	}))
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
//	stubborn      say "hello" and run until killed
//	count N       write the numbers from 1 to N, one a line
//	listen PORT   say "hello" and answer each connection with it until stopped
//	fail CODE     write "failed" to standard error and end with the code
//	cat           copy standard input to standard output
//	read FILE     write a file to standard output
//	write FILE    write "written" to a file
//	lookup NAME   write the addresses that the DNS has for a name, sorted, one a line
//	size          wait until the terminal is 101 by 37 and say so
//	env NAME      write the value of a variable
func Program(p Process) int {
	if len(p.Args) == 0 {
		return 64
	}
	arg := ""
	if len(p.Args) > 1 {
		arg = p.Args[1]
	}
	switch p.Args[0] {
	case "serve":
		fmt.Fprintln(p.Stderr, "hello stderr")
		fmt.Fprintln(p.Stdout, "hello stdout")
		<-p.Stop
	case "stubborn":
		fmt.Fprintln(p.Stdout, "hello stdout")
		select {}
	case "count":
		n, _ := strconv.Atoi(arg)
		for i := range n {
			fmt.Fprintln(p.Stdout, i+1)
		}
	case "listen":
		return listen(p, arg)
	case "fail":
		fmt.Fprintln(p.Stderr, "failed")
		code, _ := strconv.Atoi(arg)
		return code
	case "cat":
		if _, err := io.Copy(p.Stdout, p.Stdin); err != nil {
			return 1
		}
	case "read":
		content, err := p.ReadFile(arg)
		if err != nil {
			fmt.Fprintln(p.Stderr, err)
			return 1
		}
		_, _ = p.Stdout.Write(content)
	case "write":
		if err := p.WriteFile(arg, []byte("written\n")); err != nil {
			fmt.Fprintln(p.Stderr, err)
			return 1
		}
	case "lookup":
		addresses, err := p.Lookup(arg)
		if err != nil {
			fmt.Fprintln(p.Stderr, err)
			return 1
		}
		for _, address := range slices.Sorted(slices.Values(addresses)) {
			fmt.Fprintln(p.Stdout, address)
		}
	case "size":
		return awaitSize(p)
	case "env":
		fmt.Fprintln(p.Stdout, p.Getenv(arg))
	default:
		return 64
	}
	return 0
}

func listen(p Process, arg string) int {
	port, _ := strconv.ParseUint(arg, 10, 16)
	l, err := p.Listen(uint16(port))
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	go func() { <-p.Stop; _ = l.Close() }()
	fmt.Fprintln(p.Stdout, "hello stdout")
	for {
		conn, err := l.Accept()
		if err != nil {
			return 0 // it was closed
		}
		_, _ = io.WriteString(conn, "hello\n")
		_ = conn.Close()
	}
}

// awaitSize polls, because a program without a terminal of its own (the fake's) gets no signal.
func awaitSize(p Process) int {
	for range 1000 {
		if size := p.Size(); size == (cluster.WindowSize{Columns: 101, Rows: 37}) {
			fmt.Fprintf(p.Stdout, "%dx%d\n", size.Columns, size.Rows)
			return 0
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 1
}
