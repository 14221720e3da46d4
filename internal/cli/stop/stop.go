// Package stop is `skiff stop`.
package stop

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
)

// Options of the command.
type Options struct {
	*kit.Deps
	Name string
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{Deps: deps}
	cmd := &cobra.Command{
		Use:   "stop [NAME]",
		Short: "Stop a cluster",
		Long: `Stop a cluster in order: agents, then servers. Its pods end as they do when a machine is shut down. Everything is
kept, and the cluster stays stopped when Docker or its host starts again, until 'skiff start'.`,
		Example: `  skiff stop
  skiff stop demo`,
		Args:              kit.Args(0, 1, ""),
		ValidArgsFunction: deps.CompleteClusters,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Name, err = deps.ClusterArg(cmd, args); err != nil {
				return err
			}
			return kit.Command(o, run, runF)(cmd, args)
		},
	}
	return cmd
}

func run(ctx context.Context, o *Options) error {
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	if err := service.Stop(ctx, o.Name); err != nil {
		return err
	}
	renderer.Close()
	if o.JSON() {
		return o.PrintJSON(map[string]string{"stopped": o.Name})
	}
	o.Say("Cluster %s is stopped. Start it again with 'skiff start %[1]s'.", o.Name)
	return nil
}
