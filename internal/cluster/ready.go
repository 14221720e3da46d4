package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// missing says what keeps the cluster from being ready, the worst first; nothing if it is.
func (s *Status) missing() []string {
	var out []string
	if !slices.ContainsFunc(s.Nodes, func(n NodeStatus) bool { return n.State != NodeLost }) {
		out = append(out, "it has no node")
	}
	if s.missed != "" {
		out = append(out, s.missed)
	}
	if s.Majority != nil && !s.Majority.Met {
		out = append(out, "no majority: "+s.Majority.Message)
	}
	if s.API != nil && !s.API.Met {
		out = append(out, s.API.Name+": "+s.API.Message)
	}
	for _, n := range s.Nodes {
		switch {
		case n.Error != "":
			out = append(out, n.Name+": "+n.Error)
		case n.State == NodeLost:
			out = append(out, n.Name+": has no container")
		case n.Report == nil:
			out = append(out, n.Name+": is "+string(n.State))
		case !n.Report.Ready:
			out = append(out, unmet(n)...)
		}
	}
	return out
}

// counts are how many servers there are, with those that lost their container, how many of them run, and how many nodes of
// any role are frozen.
func (c *Cluster) counts() (servers, running, frozen int) {
	for _, n := range c.Nodes {
		frozen += choose(n.State == NodePaused, 1, 0)
	}
	servers, running = countServers(c.AllNodes(), func(n Node) bool { return n.State == NodeRunning })
	return servers, running, frozen
}

// countServers says how many of some nodes are servers, and of how many of these something is true.
func countServers(nodes []Node, is func(Node) bool) (all, such int) {
	for _, n := range nodes {
		if n.Role == nodeapi.RoleServer {
			all++
			such += choose(is(n), 1, 0)
		}
	}
	return all, such
}

// majority says if a majority of several servers runs, nil for one. The API that answers has one: what is left of a server
// that lost its container need not be that of a member of the datastore.
func (c *Cluster) majority(apiAnswers bool) *nodeapi.Condition {
	servers, running := countServers(c.AllNodes(), func(n Node) bool { return n.State == NodeRunning })
	if servers < 2 {
		return nil
	}
	is := &nodeapi.Condition{Name: "majority", Met: apiAnswers || running >= majority(servers), Since: time.Now()}
	if !is.Met {
		is.Message = fmt.Sprintf("%d of its %d servers run, and it takes %d to read and write", running, servers, majority(servers))
	}
	return is
}

// unmet says which conditions of a node are not met, and of its components which are to blame, and why.
func unmet(n NodeStatus) []string {
	if len(n.Report.Conditions) == 0 {
		return []string{n.Name + ": is starting"}
	}
	var out []string
	for _, c := range n.Report.Conditions {
		if c.Met {
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s: %s", n.Name, c.Name, c.Message))
		if c.Name != nodeapi.ConditionComponents {
			continue
		}
		for _, component := range n.Report.Components {
			if component.State == nodeapi.StateUnhealthy && component.LastError != "" {
				out = append(out, fmt.Sprintf("%s: %s: %s", n.Name, component.Name, component.Detail()))
			}
		}
	}
	return out
}

// CheckReady fails if a cluster is not ready, with all that is missing. What runs has so long to become ready.
func (s *Service) CheckReady(ctx context.Context, name string, wait time.Duration) error {
	status, err := s.Status(ctx, name)
	if err != nil || status.Ready {
		return err
	}
	r := s.newReadiness(name, wait, status.hint())
	// How the waiting went does not matter: whoever is not ready after it says so, and why, in the status.
	var listening sync.WaitGroup
	for _, n := range status.Nodes {
		if n.State == NodeRunning {
			listening.Go(func() { _ = r.listen(ctx, n.Name) })
		}
	}
	listening.Wait()
	if status.API != nil && !status.API.Met {
		_ = s.awaitAPI(ctx, r, name)
	}
	if status, err = s.Status(ctx, name); err != nil {
		return err
	}
	return status.Unready()
}

// awaitAPI waits until the API of a cluster answers.
func (s *Service) awaitAPI(ctx context.Context, r *readiness, name string) error {
	c, err := s.Get(ctx, name)
	if err != nil {
		return err
	}
	creds, err := s.credentials(ctx, c)
	if err != nil {
		return err
	}
	return r.checkAPI(ctx, creds)
}

// Unready is the failure that the cluster is not ready, with what is missing and what to do; nil if it is ready.
func (s *Status) Unready() error {
	if len(s.Missing) == 0 {
		return nil
	}
	return &fault.Error{Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is not ready", s.Name), Details: s.Missing, Hint: s.hint()}
}

func (s *Status) hint() string {
	if len(s.Nodes) == 0 {
		return fmt.Sprintf("Run 'skiff delete %s', then create it again.", s.Name)
	}
	if s.remedy != "" {
		return s.remedy
	}
	for _, n := range s.Nodes {
		if n.State == NodeExited || n.State == NodeCreated {
			return fmt.Sprintf("Run 'skiff start %s' to start what does not run.", s.Name)
		}
		if n.State == NodePaused {
			return fmt.Sprintf("Run 'skiff resume %s' to let it go on.", s.Name)
		}
	}
	return fmt.Sprintf("Run 'skiff bundle %s' to collect all logs.", s.Name)
}
