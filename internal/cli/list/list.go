// Package list is `skiff list`.
package list

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
)

// Options of the command.
type Options struct{ *kit.Deps }

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the clusters",
		Long:    "List the clusters of this engine, stopped and half-made ones included.",
		Example: `  skiff list
  skiff list --output json`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
}

func run(ctx context.Context, o *Options) error {
	service, err := o.Service(ctx, event.Discard)
	if err != nil {
		return err
	}
	clusters, err := service.List(ctx)
	if err != nil {
		return err
	}
	if o.JSON() {
		if clusters == nil {
			clusters = []cluster.Cluster{} // a script wants [], not null
		}
		return o.PrintJSON(clusters)
	}
	if len(clusters) == 0 {
		o.Say("There is no cluster. Run 'skiff create' to make one.")
		return nil
	}
	t := kit.NewTable(o.Out, "NAME", "STATE", "NODES", "KUBERNETES", "ENDPOINT", "AGE")
	for _, c := range clusters {
		age := ""
		if !c.Created.IsZero() { // only containers say when they were made
			age = kit.Age(time.Since(c.Created))
		}
		t.Row(c.Name, fmt.Sprint(c.State), strconv.Itoa(c.KubernetesNodes()), c.Kubernetes, c.Endpoint, age)
	}
	return t.Flush()
}
