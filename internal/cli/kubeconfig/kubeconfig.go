// Package kubeconfig is `skiff kubeconfig`.
package kubeconfig

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/event"
)

// Options of the command and its sub-commands.
type Options struct {
	*kit.Deps
	Name       string
	Kubeconfig kit.Kubeconfig
}

// NewCmd returns the command with its sub-commands.
func NewCmd(deps *kit.Deps) *cobra.Command {
	cmd := newCmd(deps, printIt, &cobra.Command{
		Use:   "kubeconfig [NAME]",
		Short: "Print a cluster's kubeconfig, merge it into yours, or remove it",
		Long: `Print the kubeconfig of a cluster, with its administrator's key in it. It is read from the cluster's node,
which need not run.`,
		Example: `  skiff kubeconfig > demo.yaml
  skiff kubeconfig merge demo
  skiff kubeconfig remove demo`,
	})
	merge := newCmd(deps, merge, &cobra.Command{
		Use:   "merge [NAME]",
		Short: "Write a cluster's context to your kubeconfig and select it",
		Long: `Write a cluster's context to the first file of KUBECONFIG that exists, or ~/.kube/config, and select it. A context
that is in another of the files already is renewed there. All else stays as it is.`,
		Example: `  skiff kubeconfig merge
  skiff kubeconfig merge demo --kubeconfig ci.yaml`,
	})
	remove := newCmd(deps, remove, &cobra.Command{
		Use:     "remove [NAME]",
		Short:   "Remove a cluster's context from your kubeconfig",
		Long:    "Remove a cluster's context, and what only that uses, from your kubeconfig. The cluster stays.",
		Example: `  skiff kubeconfig remove demo`,
	})
	printed := newCmd(deps, printIt, &cobra.Command{
		Use:     "print [NAME]",
		Short:   "Print a cluster's kubeconfig, as 'skiff kubeconfig' alone does",
		Long:    "Print the kubeconfig of a cluster, with its administrator's key in it.",
		Example: `  skiff kubeconfig print demo > demo.yaml`,
	})
	cmd.AddCommand(printed, merge, remove)
	return cmd
}

// newCmd completes a command that takes an optional NAME.
func newCmd(deps *kit.Deps, run func(context.Context, *Options) error, cmd *cobra.Command) *cobra.Command {
	o := &Options{Deps: deps, Kubeconfig: kit.Kubeconfig{Getenv: deps.Getenv}}
	cmd.Args = kit.Args(0, 1, "")
	cmd.ValidArgsFunction = deps.CompleteClusters
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.Name, err = deps.ClusterArg(cmd, args); err != nil {
			return err
		}
		return run(cmd.Context(), o)
	}
	if name := cmd.Name(); name != "kubeconfig" && name != "print" {
		o.Kubeconfig.AddFlag(cmd.Flags())
	}
	return cmd
}

func printIt(ctx context.Context, o *Options) error {
	service, err := o.Service(ctx, event.Discard)
	if err != nil {
		return err
	}
	creds, err := service.Credentials(ctx, o.Name)
	if err != nil {
		return err
	}
	out, err := kit.RenderKubeconfig(creds, o.JSON())
	if err != nil {
		return err
	}
	_, err = o.Out.Write(out)
	return err
}

func merge(ctx context.Context, o *Options) error {
	if err := o.Kubeconfig.Check(ctx); err != nil {
		return err
	}
	service, err := o.Service(ctx, event.Discard)
	if err != nil {
		return err
	}
	creds, err := service.Credentials(ctx, o.Name)
	if err != nil {
		return err
	}
	renderer := o.Renderer()
	defer renderer.Close()
	if err := o.Kubeconfig.Merge(ctx, creds, renderer); err != nil {
		return err
	}
	renderer.Close()
	return tell(o, "merged")
}

func remove(ctx context.Context, o *Options) error {
	renderer := o.Renderer()
	defer renderer.Close()
	if err := o.Kubeconfig.Remove(ctx, o.Name, renderer); err != nil {
		return err
	}
	renderer.Close()
	return tell(o, "removed")
}

// tell tells programs which context was written or removed; people have read it already.
func tell(o *Options, done string) error {
	if !o.JSON() {
		return nil
	}
	return o.PrintJSON(map[string]string{done: o.Kubeconfig.ContextOf(o.Name)})
}
