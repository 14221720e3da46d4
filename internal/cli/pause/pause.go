// Package pause is `skiff pause`.
package pause

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
		Use:   "pause [NAME]",
		Short: "Freeze a cluster",
		Long: `Freeze everything in a cluster: it uses no processor, keeps its memory, and goes on where it was after 'skiff resume'.
Clients wait for answers as long as they have patience.`,
		Example: `  skiff pause
  skiff pause demo`,
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
	if err := service.Pause(ctx, o.Name); err != nil {
		return err
	}
	renderer.Close()
	if o.JSON() {
		return o.PrintJSON(map[string]string{"paused": o.Name})
	}
	o.Say("Cluster %s is frozen. Let it go on with 'skiff resume %[1]s'.", o.Name)
	return nil
}
