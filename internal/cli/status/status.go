// Package status is `skiff status`.
package status

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Options of the command.
type Options struct {
	*kit.Deps
	Name string
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	return &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show how a cluster is",
		Long: `Show a cluster's nodes, the conditions of its readiness, and the components of each node: state, since when,
restarts and last error. With --output json, also their last log lines. Ends with exit code 8 if the cluster is
not ready.`,
		Example: `  skiff status
  skiff status demo --output json`,
		Args:              kit.Args(0, 1, ""),
		ValidArgsFunction: deps.CompleteClusters,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Name, err = deps.ClusterArg(cmd, args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
}

func run(ctx context.Context, o *Options) error {
	service, err := o.Service(ctx, event.Discard)
	if err != nil {
		return err
	}
	s, err := service.Status(ctx, o.Name)
	if err != nil {
		return err
	}
	missing := missing(s)
	if o.JSON() {
		if err := o.PrintJSON(struct {
			*cluster.Status
			Ready bool `json:"ready"`
		}{s, len(missing) == 0}); err != nil {
			return err
		}
	} else if err := print(o, s, time.Now()); err != nil {
		return err
	}
	if len(missing) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.NotReady, Summary: fmt.Sprintf("cluster %s is not ready", o.Name), Details: missing,
		Hint: hint(s),
	}
}

// missing says what keeps the cluster from being ready.
func missing(s *cluster.Status) []string {
	var out []string
	if len(s.Nodes) == 0 {
		out = append(out, "it has no node")
	}
	servers, running := 0, 0
	for _, n := range s.Nodes {
		if n.Role == nodeapi.RoleServer {
			servers++
		}
		if n.Role == nodeapi.RoleServer && n.State == "running" {
			running++
		}
	}
	if servers > 1 && running <= servers/2 {
		out = append(out, fmt.Sprintf("no majority: %d of its %d servers run, and it takes %d to read and write", running, servers, servers/2+1))
	}
	if s.API != nil && !s.API.Met {
		out = append(out, s.API.Name+": "+s.API.Message)
	}
	for _, n := range s.Nodes {
		switch {
		case n.Error != "":
			out = append(out, n.Name+": "+n.Error)
		case n.Report == nil:
			out = append(out, n.Name+": is "+n.State)
		case !n.Report.Ready:
			out = append(out, unmet(n)...)
		}
	}
	return out
}

// unmet says which conditions of a node are not met, and of its components which are to blame, and why.
func unmet(n cluster.NodeStatus) []string {
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
				out = append(out, fmt.Sprintf("%s: %s: %s", n.Name, component.Name, detail(component)))
			}
		}
	}
	return out
}

func hint(s *cluster.Status) string {
	for _, n := range s.Nodes {
		if n.State == "exited" || n.State == "created" {
			return fmt.Sprintf("Run 'skiff start %s' to start what does not run.", s.Name)
		}
		if n.State == "paused" {
			return fmt.Sprintf("Run 'skiff resume %s' to let it go on.", s.Name)
		}
	}
	return fmt.Sprintf("Run 'skiff bundle %s' to collect all logs, or 'skiff delete %s' and create it again.", s.Name, s.Name)
}

// print writes the status for people.
func print(o *Options, s *cluster.Status, now time.Time) error {
	state := string(s.State)
	if s.State != cluster.StateStopped && len(missing(s)) > 0 {
		state += ", not ready"
	}
	fmt.Fprintf(o.Out, "Cluster %s: %s, Kubernetes %s, %s\n", s.Name, state, s.Kubernetes, s.Endpoint)
	if s.API != nil {
		printCondition(o, *s.API)
	}
	for _, n := range s.Nodes {
		fmt.Fprintf(o.Out, "\nNode %s: %s, %s, %s\n", n.Name, n.Role, n.State, n.Address)
		if n.Error != "" {
			fmt.Fprintf(o.Out, "  %s\n", n.Error)
		}
		if n.Report == nil {
			continue
		}
		for _, c := range n.Report.Conditions {
			printCondition(o, c)
		}
		fmt.Fprintln(o.Out)
		t := kit.NewTable(o.Out, "  COMPONENT", "STATE", "SINCE", "RESTARTS", "VERSION")
		var errs []string // below the table: they are too long for a column
		for _, c := range n.Report.Components {
			t.Row("  "+c.Name, string(c.State), kit.Age(now.Sub(c.Since)), strconv.Itoa(c.Restarts), c.Version)
			// What one that is ready waited for at its start is no news.
			if d := detail(c); d != "" && (c.State != nodeapi.StateReady || c.Restarts > 0) {
				errs = append(errs, fmt.Sprintf("  %s: %s", c.Name, d))
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
		for _, e := range errs {
			fmt.Fprintln(o.Out, e)
		}
	}
	return nil
}

func printCondition(o *Options, c nodeapi.Condition) {
	mark := "yes"
	if !c.Met {
		mark = "NO "
	}
	fmt.Fprintln(o.Out, strings.TrimRight(fmt.Sprintf("  %s  %-16s %s", mark, c.Name, c.Message), " "))
}

func detail(c nodeapi.ComponentStatus) string {
	if c.State == nodeapi.StateWaiting && len(c.WaitsFor) > 0 {
		waits := "waits for " + strings.Join(c.WaitsFor, ", ")
		if c.LastError == "" {
			return waits
		}
		return strings.Join(strings.Fields(c.LastError), " ") + " (" + waits + ")"
	}
	return strings.Join(strings.Fields(c.LastError), " ")
}
