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
	if o.JSON() {
		err = o.PrintJSON(s)
	} else {
		err = write(o, s, time.Now())
	}
	if err != nil {
		return err
	}
	return s.Unready()
}

// write writes the status for people.
func write(o *Options, s *cluster.Status, now time.Time) error {
	fmt.Fprintf(o.Out, "Cluster %s: %s\n", s.Name, strings.Join(head(s), ", "))
	for _, is := range []*nodeapi.Condition{s.Majority, s.API} {
		if is != nil {
			printCondition(o, *is)
		}
	}
	for _, n := range s.Nodes {
		if n.State == cluster.NodeLost {
			fmt.Fprintf(o.Out, "\nNode %s: %s, %s: it has no container\n", n.Name, n.Role, n.State)
			continue
		}
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
			if d := c.Detail(); d != "" && (c.State != nodeapi.StateReady || c.Restarts > 0) {
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

// head is what a cluster is as a whole.
func head(s *cluster.Status) []string {
	state := string(s.State)
	if s.State != cluster.StateStopped && !s.Ready {
		state += ", not ready"
	}
	head := []string{state}
	if s.Kubernetes != "" {
		head = append(head, "Kubernetes "+s.Kubernetes)
	}
	if s.Endpoint != "" {
		head = append(head, s.Endpoint)
	}
	return head
}

func printCondition(o *Options, c nodeapi.Condition) {
	mark := "yes"
	if !c.Met {
		mark = "NO "
	}
	fmt.Fprintln(o.Out, strings.TrimRight(fmt.Sprintf("  %s  %-16s %s", mark, c.Name, c.Message), " "))
}
