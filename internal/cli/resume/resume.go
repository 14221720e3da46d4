// Package resume is `skiff resume`.
package resume

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
		Use:   "resume [NAME]",
		Short: "Let a frozen cluster go on",
		Long:  `Let a cluster that was frozen with 'skiff pause' go on where it was, and wait until it is ready.`,
		Example: `  skiff resume
  skiff resume demo`,
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
	if err := service.Resume(ctx, o.Name); err != nil {
		return err
	}
	renderer.Close()
	if o.JSON() {
		return o.PrintJSON(map[string]string{"resumed": o.Name})
	}
	o.Say("Cluster %s goes on.", o.Name)
	return nil
}
