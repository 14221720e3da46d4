package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

func numbers(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

func (s *suite) testOutput(t *testing.T) {
	t.Run("attached before the start", s.testAttach)
	t.Run("attach ends with its context", func(t *testing.T) {
		spec := s.spec("attach-cancel", "serve")
		s.start(t, spec)
		ctx, cancel := context.WithCancel(t.Context())
		out, err := s.Attach(ctx, spec.Name)
		s.must(t, err)
		defer out.Close()
		ended := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, out); close(ended) }()
		cancel()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Error("it does not")
		}
	})
	t.Run("attach ends with the container", func(t *testing.T) {
		spec := s.spec("attach-kill", "stubborn")
		s.create(t, spec)
		out, err := s.Attach(t.Context(), spec.Name)
		s.must(t, err)
		s.must(t, s.StartContainer(t.Context(), spec.Name))
		s.must(t, s.RemoveContainer(t.Context(), spec.Name))
		if got := s.readAll(t, out); got != "" && got != "hello stdout\n" {
			t.Errorf("it said %q", got)
		}
	})
	t.Run("logs", s.testLogs)
}

// testAttach misses nothing of two runs, and sees standard output only.
func (s *suite) testAttach(t *testing.T) {
	spec := s.spec("attach", "count", "3000")
	s.create(t, spec)
	for range 2 {
		out, err := s.Attach(t.Context(), spec.Name)
		s.must(t, err)
		s.must(t, s.StartContainer(t.Context(), spec.Name))
		if got := s.readAll(t, out); got != numbers(1, 3000) {
			t.Errorf("got %d lines of 3000", strings.Count(got, "\n"))
		}
		s.state(t, spec.Name, "exited")
	}
	spec = s.spec("attach-stderr", "fail", "3")
	s.create(t, spec)
	out, err := s.Attach(t.Context(), spec.Name)
	s.must(t, err)
	s.must(t, s.StartContainer(t.Context(), spec.Name))
	if got := s.readAll(t, out); got != "" {
		t.Errorf("standard error shows: %q", got)
	}
}

func (s *suite) testLogs(t *testing.T) {
	spec := s.spec("logs", "count", "10")
	s.create(t, spec)
	s.must(t, s.StartContainer(t.Context(), spec.Name))
	s.state(t, spec.Name, "exited")
	for tail, want := range map[int]string{0: numbers(1, 10), 1: numbers(10, 10), 3: numbers(8, 10), 99: numbers(1, 10)} {
		var b bytes.Buffer
		s.must(t, s.Logs(t.Context(), spec.Name, tail, &b))
		if b.String() != want {
			t.Errorf("tail %d: %q", tail, &b)
		}
	}
	spec = s.spec("logs-both", "serve")
	s.start(t, spec)
	s.must(t, s.StopContainer(t.Context(), spec.Name, 10*time.Second))
	var b bytes.Buffer
	s.must(t, s.Logs(t.Context(), spec.Name, 0, &b))
	if got := b.String(); !strings.Contains(got, "hello stdout\n") || !strings.Contains(got, "hello stderr\n") {
		t.Errorf("both outputs: %q", got)
	}
}

// run runs the program in a container that runs, and returns its exit code and what it wrote.
func (s *suite) run(t *testing.T, container string, e cluster.ExecSpec, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	e.Cmd, e.Stdout, e.Stderr = append([]string{programPath}, args...), &out, &err
	code, failure := s.Exec(t.Context(), container, e)
	s.must(t, failure)
	return code, out.String(), err.String()
}

func (s *suite) testExec(t *testing.T) {
	spec := s.spec("exec", "serve")
	s.start(t, spec)
	run := func(t *testing.T, e cluster.ExecSpec, args ...string) (code int, stdout, stderr string) {
		t.Helper()
		return s.run(t, spec.Name, e, args...)
	}
	t.Run("exit code and outputs", func(t *testing.T) {
		if code, out, err := run(t, cluster.ExecSpec{}, "fail", "42"); code != 42 || out != "" || err != "failed\n" {
			t.Errorf("%d, %q, %q", code, out, err)
		}
		if code, out, err := run(t, cluster.ExecSpec{}, "count", "3"); code != 0 || out != numbers(1, 3) || err != "" {
			t.Errorf("%d, %q, %q", code, out, err)
		}
	})
	t.Run("outputs are optional", func(t *testing.T) {
		code, err := s.Exec(t.Context(), spec.Name, cluster.ExecSpec{Cmd: []string{programPath, "fail", "5"}})
		if code != 5 || err != nil {
			t.Errorf("%d, %v", code, err)
		}
	})
	t.Run("input", func(t *testing.T) {
		input := strings.Repeat("0123456789abcdef", 1<<16) // a megabyte: more than any buffer between
		if code, out, _ := run(t, cluster.ExecSpec{Stdin: strings.NewReader(input)}, "cat"); code != 0 || out != input {
			t.Errorf("%d, %d bytes of %d", code, len(out), len(input))
		}
		if code, out, _ := run(t, cluster.ExecSpec{}, "cat"); code != 0 || out != "" {
			t.Errorf("without input: %d, %q", code, out)
		}
	})
	t.Run("environment", func(t *testing.T) {
		if code, out, _ := run(t, cluster.ExecSpec{Env: []string{"GREETING=hi there"}}, "env", "GREETING"); code != 0 || out != "hi there\n" {
			t.Errorf("%d, %q", code, out)
		}
	})
	t.Run("terminal", func(t *testing.T) {
		resize := make(chan cluster.WindowSize, 2)
		resize <- cluster.WindowSize{Columns: 80, Rows: 24}
		resize <- cluster.WindowSize{Columns: 101, Rows: 37}
		code, out, err := run(t, cluster.ExecSpec{TTY: true, Stdin: strings.NewReader(""), Resize: resize}, "size")
		if code != 0 || strings.TrimSpace(out) != "101x37" || err != "" {
			t.Errorf("%d, %q, %q", code, out, err)
		}
	})
	t.Run("no such command", func(t *testing.T) {
		code, err := s.Exec(t.Context(), spec.Name, cluster.ExecSpec{Cmd: []string{"/no/such/command"}})
		if code == 0 && err == nil {
			t.Error("it succeeds")
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		defer r.Close()
		echo := newNotice("x")
		ended := make(chan error, 1)
		go func() {
			_, err := s.Exec(ctx, spec.Name, cluster.ExecSpec{Cmd: []string{programPath, "cat"}, Stdin: r, Stdout: echo})
			ended <- err
		}()
		go func() { _, _ = io.WriteString(w, "x") }()
		select {
		case <-echo.seen:
		case err := <-ended:
			t.Fatalf("it ended before: %v", err)
		}
		cancel()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("it succeeds")
			}
		case <-time.After(20 * time.Second):
			t.Error("it does not end")
		}
	})
	t.Run("not running", func(t *testing.T) {
		s.must(t, s.StopContainer(t.Context(), spec.Name, 10*time.Second))
		_, err := s.Exec(t.Context(), spec.Name, cluster.ExecSpec{Cmd: []string{programPath, "count", "1"}})
		s.want(t, err, fault.Conflict)
	})
}

// notice is a writer that tells when something was written.
type notice struct {
	want string
	seen chan struct{}
	told bool
}

func newNotice(want string) *notice { return &notice{want: want, seen: make(chan struct{})} }

func (s *notice) Write(b []byte) (int, error) {
	if !s.told && strings.Contains(string(b), s.want) {
		s.told = true
		close(s.seen)
	}
	return len(b), nil
}
