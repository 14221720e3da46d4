package status

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

func newTestBoard(out io.Writer) *Board {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return NewBoard(nodeapi.Config{Cluster: "c", Node: "n", Role: nodeapi.RoleServer}, map[string]string{"containerd": "v2"}, out,
		func() time.Time { return at })
}

// lines renders the events of one run of the Kubernetes process.
func lines(t *testing.T, events ...nodeapi.Event) io.Reader {
	t.Helper()
	var b bytes.Buffer
	for _, e := range events {
		if err := json.NewEncoder(&b).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func component(name string, state nodeapi.State) nodeapi.Event {
	return nodeapi.Event{Kind: nodeapi.EventComponent, Component: &nodeapi.ComponentStatus{Name: name, State: state}}
}

func condition(name string, met bool) nodeapi.Event {
	return nodeapi.Event{Kind: nodeapi.EventCondition, Condition: &nodeapi.Condition{Name: name, Met: met}}
}

func healthyRun() []nodeapi.Event {
	events := []nodeapi.Event{
		component("kubelet", nodeapi.StateWaiting),
		{Kind: nodeapi.EventHosted},
		component("kubelet", nodeapi.StateReady),
	}
	for _, name := range nodeapi.RemoteConditions(nodeapi.RoleServer) {
		events = append(events, condition(name, true))
	}
	return events
}

// TestReadyOnce follows a node through a start, the death of its Kubernetes process, and a second start.
func TestReadyOnce(t *testing.T) {
	var out bytes.Buffer
	b := newTestBoard(&out)
	b.Component(nodeapi.ComponentStatus{Name: "containerd", State: nodeapi.StateReady})

	pipe, child := io.Pipe()
	done := make(chan struct{})
	go func() { b.Listen(pipe); close(done) }()
	if _, err := io.Copy(child, lines(t, healthyRun()...)); err != nil {
		t.Fatal(err)
	}
	// The pipe has no buffer: the last line was taken once another event was read.
	if _, err := io.Copy(child, lines(t, nodeapi.Event{Kind: "of the future"}, nodeapi.Event{Kind: "of the future"})); err != nil {
		t.Fatal(err)
	}
	if s := b.Snapshot(); !s.Ready || s.Components[0].Version != "v2" {
		t.Fatalf("not ready: %+v", s)
	}
	_ = child.Close()
	<-done
	s := b.Snapshot()
	if s.Ready {
		t.Fatal("still ready without a Kubernetes process")
	}
	if c := s.Components[1]; c.State != nodeapi.StateFailed || c.LastError == "" {
		t.Errorf("kubelet: %+v", c)
	}
	for _, c := range s.Conditions {
		if c.Met || c.Message == "" {
			t.Errorf("condition %+v", c)
		}
	}

	again, child2 := io.Pipe()
	go b.Listen(again)
	if _, err := io.Copy(child2, lines(t, healthyRun()...)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(child2, lines(t, nodeapi.Event{Kind: "of the future"}, nodeapi.Event{Kind: "of the future"})); err != nil {
		t.Fatal(err)
	}
	s = b.Snapshot()
	if !s.Ready || s.Components[1].Restarts != 1 || s.Components[1].LastError == "" {
		t.Errorf("after the restart: %+v", s)
	}
	b.out.flush(time.Minute)
	if n := strings.Count(out.String(), `"kind":"ready"`); n != 2 {
		t.Errorf("told %d times that it is ready", n)
	}
	for line := range strings.Lines(out.String()) {
		if err := json.Unmarshal([]byte(line), &nodeapi.Event{}); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestNotReadyBeforeNamed keeps a node from being ready because the first component that reported is.
func TestNotReadyBeforeNamed(t *testing.T) {
	b := newTestBoard(io.Discard)
	p := &Process{board: b, names: map[string]bool{}}
	for _, e := range healthyRun() {
		if e.Kind != nodeapi.EventHosted {
			p.take(e)
		}
	}
	if b.Snapshot().Ready {
		t.Error("ready before the process has named its components")
	}
}

func TestServe(t *testing.T) {
	b := newTestBoard(io.Discard)
	socket := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx, socket) }()
	var got *nodeapi.Status
	for deadline := time.Now().Add(10 * time.Second); got == nil; {
		s, err := Read(t.Context(), socket)
		if err != nil && time.Now().After(deadline) {
			t.Fatal(err)
		}
		got = s
	}
	if got.Node != "n" || len(got.Conditions) != 1+len(nodeapi.RemoteConditions(nodeapi.RoleServer)) {
		t.Errorf("%+v", got)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := Read(t.Context(), socket); err == nil {
		t.Error("answers after its end")
	}
}

// blocked is a reader that never comes, until it does.
type blocked struct {
	bytes.Buffer
	release chan struct{}
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.release
	return b.Buffer.Write(p)
}

// TestSlowReader keeps the node going while nobody reads what it prints, and loses nothing that matters.
func TestSlowReader(t *testing.T) {
	out := &blocked{release: make(chan struct{})}
	b := newTestBoard(out)
	for range 2 * tellerLimit {
		b.Component(nodeapi.ComponentStatus{Name: "containerd", State: nodeapi.StateStarting})
	}
	b.mu.Lock()
	b.tell(nodeapi.Event{Kind: nodeapi.EventReady})
	b.mu.Unlock()
	close(out.release)
	b.out.flush(time.Minute)
	if n := strings.Count(out.String(), "\n"); n < tellerLimit || n > 2*tellerLimit {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(out.String(), `"kind":"ready"`) {
		t.Error("an event that matters was dropped")
	}
}

// TestGivenUp lets a component give up inside the Kubernetes process, which PID 1 starts again.
func TestGivenUp(t *testing.T) {
	b := newTestBoard(io.Discard)
	b.Listen(lines(t, component("kubelet", nodeapi.StateStarting), component("kubelet", nodeapi.StateGivenUp)))
	if c := b.Snapshot().Components[0]; c.State != nodeapi.StateFailed {
		t.Errorf("%+v", c)
	}
}
