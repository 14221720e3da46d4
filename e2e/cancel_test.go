//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
)

// moment is an event at which skiff gets a signal. An empty field fits everything.
type moment struct {
	kind    event.Kind
	subject string
	state   event.State
}

func (m moment) String() string {
	return strings.Join(strings.Fields(fmt.Sprint(m.kind, " ", m.subject, " ", m.state)), " ")
}

func (m moment) is(e event.Event) bool {
	return (m.kind == e.Kind) && (m.subject == "" || m.subject == e.Subject) && m.state == e.State
}

// createUntil runs a create and sends it SIGINT at a moment. It returns what came of it, and how long it took to
// end from then on.
func (c *Cluster) createUntil(env []string, at moment) (r Result, took time.Duration) {
	c.Helper()
	return c.signalAt(env, at, syscall.SIGINT, "create", c.Name)
}

// signalAt runs skiff and sends it a signal at a moment. It returns what came of it, and how long it took to end from
// then on. The signal is sent from between two of skiff's lines, so there is no race for the moment.
func (c *Cluster) signalAt(env []string, at moment, signal syscall.Signal, args ...string) (r Result, took time.Duration) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), run.skiff, append(args, "--output", "json")...)
	cmd.Env = append(os.Environ(), env...)
	stderr, err := cmd.StderrPipe()
	c.Must(err, "make a pipe")
	c.Must(cmd.Start(), "start skiff")
	var said strings.Builder
	var sent time.Time
	for lines := bufio.NewScanner(io.TeeReader(stderr, &said)); lines.Scan(); {
		var e event.Event
		if sent.IsZero() && json.Unmarshal(lines.Bytes(), &e) == nil && at.is(e) {
			sent = time.Now()
			c.Must(cmd.Process.Signal(signal), "send skiff a signal")
		}
	}
	_, _ = io.Copy(&said, stderr) // a line that was too long for the scanner must not hold skiff up
	_ = cmd.Wait()                // ProcessState tells
	if sent.IsZero() {
		c.Fatalf("there was no moment %q in:\n%s", at, clip(said.String()))
	}
	return Result{Command: fmt.Sprintf("skiff %s, %s at %s", strings.Join(args, " "), signal, at), Code: cmd.ProcessState.ExitCode(), Stderr: said.String()}, time.Since(sent)
}

func TestInterruptedCreate(t *testing.T) {
	t.Parallel()
	for _, at := range []moment{
		{event.KindCerts, "", event.Started},
		{event.KindVolume, "", event.Started},
		{event.KindVolume, "", event.Done},
		{event.KindNetwork, "", event.Started},
		{event.KindNetwork, "", event.Done},
		{event.KindNode, "", event.Started},
		{event.KindNode, "", event.Done},
		{event.KindComponent, "containerd", event.Started},
		{event.KindComponent, "etcd", event.Started},
		{event.KindComponent, "etcd", event.Done},
		{event.KindComponent, "kube-apiserver", event.Started},
		{event.KindComponent, "kube-apiserver", event.Done},
		{event.KindComponent, "kubelet", event.Started},
		{event.KindComponent, "kube-proxy", event.Done},
		{event.KindCheck, "service-account", event.Done},
		{event.KindCheck, "node", event.Done},
		{event.KindCheck, "dns", event.Done},
	} {
		t.Run(at.String(), func(t *testing.T) {
			c := Own(t, 1, "Ctrl-C at any step of create removes all that was made, and ends with 130").NewCluster("")
			r, took := c.createUntil(c.env(), at)
			c.isCanceled(r, took)
			c.Gone()
		})
	}
}

// isCanceled checks the end of an interrupted command.
func (c *Cluster) isCanceled(r Result, took time.Duration) {
	c.Helper()
	if r.Code != exitCanceled || !strings.Contains(lastLine(r.Stderr), `"code":"canceled"`) {
		c.Errorf("%s", r)
	}
	if took > within {
		c.Errorf("it took %s to end", took)
	}
}

func TestInterruptedAtTheEndOfCreate(t *testing.T) {
	c := Own(t, 1, "Ctrl-C when the cluster is ready leaves either all of it or nothing").NewCluster("")
	r, _ := c.createUntil(c.env(), moment{event.KindKubeconfig, "", event.Started})
	switch r.Code {
	case 0:
		c.Kubectl("get", "nodes")
		c.Skiff("status")
	case exitCanceled:
		c.Gone()
	default:
		t.Errorf("%s", r)
	}
}

func TestInterruptedImageLoad(t *testing.T) {
	c := Own(t, 1, "Ctrl-C while the node image is loaded ends at once and leaves nothing of the cluster").NewCluster("")
	engine := c.NewEngine(withoutNodeImage(c.RealEngine(), func(_ http.ResponseWriter, r *http.Request) {
		// An engine that is slow: it takes the first of the image, then no more.
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
		<-r.Context().Done()
	}))
	r, took := c.createUntil(engine.env(c), moment{event.KindImage, "", event.Progress})
	c.isCanceled(r, took)
	c.Gone()
}

func TestSecondInterrupt(t *testing.T) {
	c := Own(t, 1, "A second Ctrl-C ends skiff in the middle of the rollback, and delete removes the rest").NewCluster("")
	removing, released := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	engine := c.NewEngine(Intercept(c.RealEngine(), func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		if once.CompareAndSwap(false, true) {
			close(removing)
		}
		<-released // the rollback takes as long as the scenario wants
		hangUp(w)
		return true
	}))
	t.Cleanup(func() { close(released) }) // before the stand-in ends, which waits for nobody
	p := c.Start(engine.env(c), run.skiff, "create", c.Name, "--output", "json")
	c.Eventually("a component starts", func(context.Context) error {
		_, stderr := p.Output()
		return want(strings.Contains(stderr, `"kind":"component"`), "%s", stderr)
	})
	c.Must(p.Signal(syscall.SIGINT), "interrupt skiff")
	select {
	case <-removing:
	case <-p.Done():
		t.Fatalf("nothing was removed: %s", p.Wait())
	case <-c.Context().Done():
		t.Fatal("nothing was removed")
	}
	c.Step("the rollback has begun, and hangs")
	// A second one that comes at once is the same one, so it is pressed until it counts.
	c.EventuallyWithin(within, "skiff ends", func(context.Context) error {
		c.Must(p.Signal(syscall.SIGINT), "interrupt skiff again")
		select {
		case <-p.Done():
			return nil
		default:
			return errors.New("it goes on")
		}
	})
	if r := p.Wait(); r.Code != exitCanceled || !strings.Contains(lastLine(r.Stderr), "skiff delete NAME") {
		t.Errorf("%s", r)
	}

	c.Step("what is left has the cluster's name: list shows it, create refuses it, delete removes it")
	if len(c.remains()) == 0 {
		t.Fatal("nothing is left, so nothing was proven")
	}
	if out := c.Skiff("list"); !strings.Contains(out, c.Name) {
		t.Errorf("list: %s", out)
	}
	c.Fails(c.TrySkiff("create"), exitExists, c.Name, "skiff delete "+c.Name)
	c.Skiff("delete")
	c.Gone()
}

func TestInterruptOnTerminal(t *testing.T) {
	c := Own(t, 1, "On a terminal Ctrl-C rolls back as well, shows it, and leaves the cursor visible").NewCluster("")
	script, err := exec.LookPath("script") // it makes a terminal; util-linux
	if err != nil {
		t.Skip("there is no program 'script' to make a terminal with")
	}
	cmd := exec.CommandContext(t.Context(), script, "--quiet", "--return", "--flush", "--command", run.skiff+" create", os.DevNull)
	cmd.Env = append(append(os.Environ(), c.env()...), "TERM=xterm", "CI=")
	var screen lockedBuffer
	cmd.Stdout = &screen
	keys, err := cmd.StdinPipe()
	c.Must(err, "make a pipe")
	c.Must(cmd.Start(), "start skiff on a terminal")
	c.Eventually("Kubernetes starts", func(context.Context) error {
		return want(strings.Contains(screen.String(), "containerd") || strings.Contains(screen.String(), "Kubernetes"), "%q", screen.String())
	})
	_, err = io.WriteString(keys, "\x03")
	c.Must(err, "press Ctrl-C")
	_ = cmd.Wait() // ProcessState tells
	out := screen.String()
	if code := cmd.ProcessState.ExitCode(); code != exitCanceled || !strings.Contains(out, "Rolled back") {
		t.Errorf("it ended with %d: %q", code, out)
	}
	if hidden, shown := strings.LastIndex(out, "\x1b[?25l"), strings.LastIndex(out, "\x1b[?25h"); hidden < 0 || shown < hidden {
		t.Errorf("the cursor is hidden at %d and shown at %d of %q", hidden, shown, out)
	}
	c.Gone()
}
