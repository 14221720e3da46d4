package node

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
)

// ListOptions are those of `skiff node list`.
type ListOptions struct{ *kit.Deps }

// NewListCmd returns `skiff node list`.
func NewListCmd(deps *kit.Deps) *cobra.Command {
	o := &ListOptions{Deps: deps}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the nodes of a cluster",
		Example: `  skiff node list
  skiff --cluster demo node list --output json`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), o) },
	}
}

func runList(ctx context.Context, o *ListOptions) error {
	service, err := o.Service(ctx, event.Discard)
	if err != nil {
		return err
	}
	c, err := service.Get(ctx, o.Flags.Cluster)
	if err != nil {
		return err
	}
	nodes := c.AllNodes()
	if o.JSON() {
		return o.PrintJSON(nodes)
	}
	t := kit.NewTable(o.Out, "NAME", "ROLE", "STATE", "ADDRESS", "IMAGE", "AGE")
	for _, n := range nodes {
		age := ""
		if n.State != cluster.NodeLost {
			age = kit.Age(time.Since(n.Created))
		}
		t.Row(n.Name, string(n.Role), string(n.State), n.Address, n.Image, age)
	}
	return t.Flush()
}
