package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

func TestStatus(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	s, err := w.Status(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "demo" || s.State != cluster.StateRunning || len(s.Nodes) != 1 || s.Nodes[0].Report == nil || !s.Nodes[0].Report.Ready ||
		s.Nodes[0].Report.Node != demoNode || s.Nodes[0].Error != "" {
		t.Errorf("status %+v", s)
	}

	for what, answer := range map[string]dockertest.ExecFunc{
		"code": func(_ context.Context, _ *dockertest.Process, spec cluster.ExecSpec) (int, error) {
			fmt.Fprintln(spec.Stderr, "skiff-node: dial status.sock:\n connection refused")
			return 1, nil
		},
		"engine": func(context.Context, *dockertest.Process, cluster.ExecSpec) (int, error) {
			return 0, errors.New("connection refused")
		},
	} {
		w.engine.OnExec(answer)
		if s, err = w.Status(t.Context(), "demo"); err != nil {
			t.Fatal(err)
		}
		if n := s.Nodes[0]; n.Report != nil || !strings.Contains(n.Error, "connection refused") || strings.Contains(n.Error, "\n") {
			t.Errorf("%s: %+v", what, n)
		}
	}
	w.engine.OnExec(func(_ context.Context, _ *dockertest.Process, spec cluster.ExecSpec) (int, error) {
		fmt.Fprintln(spec.Stdout, "no JSON")
		return 0, nil
	})
	if s, err = w.Status(t.Context(), "demo"); err != nil || s.Nodes[0].Error == "" {
		t.Errorf("%+v, %v", s, err)
	}

	w.engine.Kill(demoNode, 1)
	if s, err = w.Status(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	if s.State != cluster.StateStopped || s.Nodes[0].Report != nil || s.Nodes[0].Error != "" || s.Nodes[0].State != "exited" {
		t.Errorf("stopped: %+v", s)
	}
	_, err = w.Status(t.Context(), "other")
	wantFault(t, err, fault.NotFound)
}

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	created := w.mustCreate(t, "demo")
	w.engine.Kill(demoNode, 0)
	creds, err := w.Credentials(t.Context(), "demo")
	if err != nil {
		t.Fatal(describe(err))
	}
	if string(creds.ClientKey) != string(created.Credentials.ClientKey) || creds.Server != created.Credentials.Server {
		t.Error("a stopped cluster has other credentials")
	}
	if err := w.engine.RemoveContainer(t.Context(), demoNode); err != nil {
		t.Fatal(err)
	}
	_, err = w.Credentials(t.Context(), "demo")
	wantFault(t, err, fault.NotReady, "skiff delete demo")
	_, err = w.Credentials(t.Context(), "other")
	wantFault(t, err, fault.NotFound)
}

// TestCredentialsOfHalfACluster asks a node that was created and given nothing.
func TestCredentialsOfHalfACluster(t *testing.T) {
	w := newWorld(t)
	w.engine.Fail("CopyTo", 1, errors.New("no"))
	if _, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{Retain: true}); err == nil {
		t.Fatal("no error")
	}
	_, err := w.Credentials(t.Context(), "demo")
	wantFault(t, err, fault.NotReady, "no credentials yet")
}

func TestShell(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	w.engine.OnExec(func(_ context.Context, p *dockertest.Process, spec cluster.ExecSpec) (int, error) {
		fmt.Fprint(spec.Stdout, p.Name, spec.Cmd)
		return 7, nil
	})
	for _, node := range []string{"", demoNode, "server-1"} {
		var out strings.Builder
		code, err := w.Shell(t.Context(), "demo", node, cluster.ExecSpec{Cmd: []string{"true"}, Stdout: &out})
		if code != 7 || err != nil || out.String() != demoNode+"[true]" {
			t.Errorf("%q: %d, %v, %q", node, code, err, out.String())
		}
	}
	_, err := w.Shell(t.Context(), "demo", "agent-1", cluster.ExecSpec{Cmd: []string{"true"}})
	wantFault(t, err, fault.NotFound, "agent-1", demoNode)
	w.engine.Kill(demoNode, 0)
	_, err = w.Shell(t.Context(), "demo", "", cluster.ExecSpec{Cmd: []string{"true"}})
	wantFault(t, err, fault.NotReady, "exited", "skiff start demo")
	if err := w.engine.RemoveContainer(t.Context(), demoNode); err != nil {
		t.Fatal(err)
	}
	_, err = w.Shell(t.Context(), "demo", "", cluster.ExecSpec{Cmd: []string{"true"}})
	wantFault(t, err, fault.NotReady, "the data is on Docker's volume "+demoNode)
}

// TestCheckReady tells what is missing of nodes that run and stay as they are, and of nodes that do not run.
func TestCheckReady(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 1, 1)
	must(t, w.CheckReady(t.Context(), "demo", time.Minute))
	must(t, w.StopNode(t.Context(), "demo", "agent-1"))
	wantFault(t, w.CheckReady(t.Context(), "demo", time.Minute), fault.NotReady, "skiff-demo-agent-1: is exited", "skiff start demo")
	must(t, w.StartNodes(t.Context(), "demo", []string{"agent-1"}, time.Minute))
	w.engine.OnExec(func(ctx context.Context, p *dockertest.Process, spec cluster.ExecSpec) (int, error) {
		if spec.Cmd[1] == "status" {
			return 0, json.NewEncoder(spec.Stdout).Encode(nodeapi.Status{Conditions: []nodeapi.Condition{{Name: nodeapi.ConditionNode, Message: "the kubelet is lost"}}})
		}
		return fakenode.Exec(ctx, p, spec)
	})
	wantFault(t, w.CheckReady(t.Context(), "demo", 10*time.Millisecond), fault.NotReady,
		"skiff-demo-server-1: node: the kubelet is lost", "skiff-demo-agent-1: node: the kubelet is lost")
	wantFault(t, w.CheckReady(t.Context(), "other", time.Minute), fault.NotFound)
}
