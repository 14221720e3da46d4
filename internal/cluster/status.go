package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// statusTimeout is how long a node may take to say how it is.
const statusTimeout = 30 * time.Second

// Status returns a cluster with what its nodes report. A node that does not answer is part of the answer.
func (s *Service) Status(ctx context.Context, name string) (*Status, error) {
	c, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	status := &Status{Name: c.Name, State: c.State, Kubernetes: c.Kubernetes, Endpoint: c.Endpoint, Nodes: make([]NodeStatus, len(c.AllNodes()))}
	var asking sync.WaitGroup
	for i, n := range c.AllNodes() {
		at := &status.Nodes[i]
		at.Node = n
		if n.State != NodeRunning {
			continue
		}
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			var err error
			if at.Report, err = s.report(ctx, n.Name); err != nil {
				at.Error = strings.Join(strings.Fields(err.Error()), " ")
			}
		})
	}
	if c.Endpoint != "" && c.State != StateIncomplete && slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.Role == nodeapi.RoleServer && n.State == NodeRunning }) {
		asking.Go(func() {
			status.API = &nodeapi.Condition{Name: nodeapi.ConditionAPI, Met: true, Since: time.Now()}
			if err := s.apiAnswers(ctx, c); err != nil {
				status.API.Met, status.API.Message = false, strings.Join(strings.Fields(err.Error()), " ")
			}
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	status.Majority = c.majority(status.API != nil && status.API.Met)
	status.missed, status.remedy = c.remedy(status.Majority)
	status.Missing = status.missing()
	status.Ready = len(status.Missing) == 0
	return status, nil
}

// remedy says what is to be done about containers that are gone, and what of it the nodes do not show; "" for nothing.
func (c *Cluster) remedy(is *nodeapi.Condition) (missed, hint string) {
	var f *fault.Error
	servers, there := countServers(c.AllNodes(), func(n Node) bool { return n.State != NodeLost })
	switch {
	case errors.As(c.withoutEdge(), &f):
		return "its edge has no container: nothing publishes the API on the host", f.Hint
	case is != nil && !is.Met && there > 0 && there < majority(servers):
		return "", fmt.Sprintf("Only %d of its %d servers %s a container. If the API does not answer when %s, the others were members of the datastore, and nothing brings it back: 'skiff delete %s' removes the cluster, with its data.",
			there, servers, choose(there == 1, "has", "have"), choose(there == 1, "that one runs", "these run"), c.Name)
	case len(c.Lost) > 0:
		return "", c.withoutContainer(c.Lost[0]).Hint
	}
	return "", ""
}

// apiAnswers asks the API once, as the administrator at the address in the kubeconfig.
func (s *Service) apiAnswers(ctx context.Context, c *Cluster) error {
	creds, err := s.credentials(ctx, c)
	if err != nil {
		return err
	}
	client, err := creds.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return askReadyz(ctx, client, creds.Server)
}

// report asks a running node how it is.
func (s *Service) report(ctx context.Context, node string) (*nodeapi.Status, error) {
	out, err := s.ask(ctx, node, "status")
	if err != nil {
		return nil, err
	}
	var status nodeapi.Status
	if err := json.Unmarshal(out, &status); err != nil {
		return nil, fmt.Errorf("the status of %s: %w", node, err)
	}
	return &status, nil
}

// ask runs a command of the node's own program in a node and returns what it prints.
func (s *Service) ask(ctx context.Context, node string, command ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	code, err := s.Engine.Exec(ctx, node, ExecSpec{Cmd: append([]string{nodeapi.NodeBinary}, command...), Stdout: &out, Stderr: &errs})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, commandFailed(node, strings.Join(command, " "), code, errs.String())
	}
	return out.Bytes(), nil
}

// commandFailed is the error of a command in a node that ended with a code.
func commandFailed(node, command string, code int, stderr string) error {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	f := &fault.Error{Code: fault.NodeFailed, Summary: fmt.Sprintf("'%s' failed in node %s: %s", command, node, orElse(lines[len(lines)-1], fmt.Sprintf("exit code %d", code))),
		Details: lines[:len(lines)-1], Hint: "See how the node is with 'skiff status'."}
	switch {
	case strings.Contains(stderr, "no space left on device"):
		f.Code, f.Hint = fault.NoSpace, "See what takes the space with 'docker system df', and free it with 'docker system prune'."
	case strings.Contains(stderr, nodeapi.DamagedArchive):
		f.Code, f.Hint = fault.Invalid, "Make it anew with 'docker save -o FILE IMAGE'."
	case strings.Contains(stderr, nodeapi.OtherPlatform):
		f.Code, f.Hint = fault.Invalid, "Get or build the image for that platform: 'docker pull --platform OS/ARCH IMAGE' or 'docker build --platform OS/ARCH'."
	}
	return f
}
