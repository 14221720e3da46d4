// Package start is `skiff start`.
package start

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/ui"
)

// Options of the command.
type Options struct {
	*kit.Deps
	Name string
	Wait time.Duration
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	cmd := &cobra.Command{
		Use:   "start [NAME]",
		Short: "Start a stopped cluster",
		Long: `Start a cluster that was stopped, or those of its nodes that do not run, and wait until it is ready and its
pods are shown as they are, not as they were. Its objects, addresses and certificates are the same as before, and so
is its kubeconfig.`,
		Example: `  skiff start
  skiff start demo --wait 30s`,
		Args:              kit.Args(0, 1, ""),
		ValidArgsFunction: deps.CompleteClusters,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Name, err = deps.ClusterArg(cmd, args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	kit.AddWait(cmd.Flags(), &o.Wait, "the cluster")
	return cmd
}

func run(ctx context.Context, o *Options) error {
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	began := time.Now()
	c, err := service.Start(ctx, o.Name, o.Wait)
	if err != nil {
		return err
	}
	renderer.Close()
	if o.JSON() {
		return o.PrintJSON(c)
	}
	o.Say("Cluster %s runs at %s, ready after %s.", c.Name, c.Endpoint, ui.Seconds(time.Since(began)))
	return nil
}
