package supervise

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// child is this test binary as a process that plays a mode.
func child(mode string, env ...string) Process {
	return Process{Args: []string{"/proc/self/exe"}, env: append(childEnviron(mode), env...)}
}

// lines is a log that can be waited for.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func (l lines) await(t *testing.T, want string) {
	t.Helper()
	if got := <-l; got != want+"\n" {
		t.Errorf("it printed %q, want %q", got, want)
	}
}

func TestProcessEnds(t *testing.T) {
	long := strings.Repeat("x", ringLineBytes) + "…"
	for _, tc := range []struct {
		name    string
		process Process
		want    string
		log     []string
	}{
		{"without an error", child("succeed"), "exited with code 0", nil},
		{"with an error", child("fail"), "exited with code 3", []string{"to stdout", "disk on fire"}},
		{"by a signal", child("die"), "killed by signal 9 (killed)", nil},
		{"after long lines", child("print-long-lines"), "exited with code 0", []string{long, "short"}},
		{"before it began", Process{Args: []string{"/no/such/program"}}, "start program: fork/exec /no/such/program: no such file or directory", nil},
		{"without a program", Process{}, "no program to run", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log LogRing
			if err := tc.process.Run(t.Context(), &log); errorText(err) != tc.want {
				t.Errorf("got %q, want %q", errorText(err), tc.want)
			}
			if got := log.Lines(); !slices.Equal(got, tc.log) {
				t.Errorf("log %q, want %q", got, tc.log)
			}
		})
	}
}

func TestProcessLog(t *testing.T) {
	var file bytes.Buffer
	p := child("print-long-lines")
	p.Log = &file
	_ = p.Run(t.Context(), new(LogRing))
	if want := strings.Repeat("x", 100_000) + "\nshort\n"; file.String() != want {
		t.Errorf("the log has %d bytes, want %d", file.Len(), len(want))
	}
}

func TestProcessSetting(t *testing.T) {
	extra, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	if _, err := io.WriteString(w, "from file 4"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p := child("print-setting", "EXTRA=from the environment")
	p.files = []*os.File{extra}
	p.Events = func(r io.Reader) { _, _ = io.Copy(io.Discard, r) }
	var log LogRing
	_ = p.Run(t.Context(), &log)
	if got, want := log.Lines(), []string{"from the environment", "from file 4", "leads its group: true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProcessStops(t *testing.T) {
	for _, tc := range []struct {
		name, mode string
		grace      time.Duration
		want       string
		log        []string
	}{
		{"when it is asked to", "obey", time.Minute, "context canceled", []string{"up", "bye"}},
		{"when it is killed", "ignore-term", 20 * time.Millisecond, "did not end within 20ms of SIGTERM and was killed", []string{"up"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := make(lines, 10)
			p := child(tc.mode)
			p.Grace, p.Log = tc.grace, up
			var log LogRing
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx, &log) }()
			up.await(t, "up")
			cancel()
			if err := <-done; errorText(err) != tc.want {
				t.Errorf("got %q, want %q", errorText(err), tc.want)
			}
			if got := log.Lines(); !slices.Equal(got, tc.log) {
				t.Errorf("log %q, want %q", got, tc.log)
			}
		})
	}
	t.Run("before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := child("obey").Run(ctx, new(LogRing)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestProcessFamily: what a program leaves behind in its group ends with it, however it ended.
func TestProcessFamily(t *testing.T) {
	for _, tc := range []struct{ name, mode, want string }{
		{"of one that was stopped", "obey-with-family", "context canceled"},
		{"of one that failed", "fail-with-family", "exited with code 4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alive, held, err := os.Pipe() // ends when all that hold its other end have ended
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close()
			up := make(lines, 10)
			p := child(tc.mode)
			p.Log, p.Grace, p.files = up, time.Minute, []*os.File{held}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx, new(LogRing)) }()
			if tc.mode == "obey-with-family" {
				up.await(t, "up")
				cancel()
			}
			if err := <-done; errorText(err) != tc.want {
				t.Errorf("got %q, want %q", errorText(err), tc.want)
			}
			cancel()
			if err := held.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := alive.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
		})
	}
}

// TestProcessOutputIsLeft: a process outside the group that holds the output cannot hold up Run.
func TestProcessOutputIsLeft(t *testing.T) {
	t.Parallel() // it takes drainTime
	r, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer release.Close() // ends the orphan
	p := child("orphan", "SHARE_OUTPUT=1")
	p.files = []*os.File{r}
	var log LogRing
	if err := p.Run(t.Context(), &log); errorText(err) != "exited with code 7" {
		t.Error(err)
	}
	if got := log.Lines(); len(got) != 1 {
		t.Errorf("log %q, want the orphan's number", got)
	}
}

func TestProcessEvents(t *testing.T) {
	t.Run("are all read before Run returns", func(t *testing.T) {
		var events []byte
		p := child("report")
		p.Events = func(r io.Reader) { events, _ = io.ReadAll(r) }
		if err := p.Run(t.Context(), new(LogRing)); errorText(err) != "exited with code 0" {
			t.Error(err)
		}
		if n := bytes.Count(events, []byte{'\n'}); n != 10_000 || !bytes.HasSuffix(events, []byte("event 9999\n")) {
			t.Errorf("%d events", n)
		}
	})
	t.Run("do not block the program if nobody reads them", func(t *testing.T) {
		p := child("report")
		p.Events = func(io.Reader) {}
		if err := p.Run(t.Context(), new(LogRing)); errorText(err) != "exited with code 0" {
			t.Error(err)
		}
	})
}

// TestTimerSlack is that of the program that has one, and of no other.
func TestTimerSlack(t *testing.T) {
	own, err := os.ReadFile("/proc/self/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	usual := strings.TrimSpace(string(own))
	for range 20 { // on whichever thread
		for slack, want := range map[time.Duration]string{3 * time.Millisecond: "3000000", 0: usual} {
			var log LogRing
			if err := (Process{Args: []string{"/bin/cat", "/proc/self/timerslack_ns"}, TimerSlack: slack}).Run(t.Context(), &log); errorText(err) != "exited with code 0" {
				t.Fatal(err)
			}
			if got := log.Lines(); !slices.Equal(got, []string{want}) {
				t.Errorf("a slack of %s: %q, want %s", slack, got, want)
			}
		}
	}
}
