// Package delete is `skiff delete`.
package delete

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Options of the command.
type Options struct {
	*kit.Deps
	Name           string
	All            bool
	IgnoreNotFound bool
	Kubeconfig     kit.Kubeconfig
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps, Kubeconfig: kit.Kubeconfig{Getenv: deps.Getenv}}
	cmd := &cobra.Command{
		Use:     "delete [NAME]",
		Aliases: []string{"rm"},
		Short:   "Delete a cluster",
		Long: `Delete a cluster with all that is in it, also one that was left half-made, and remove its context from the
kubeconfig. The context of a cluster that this Docker does not have stays, because another one may have it.`,
		Example: `  skiff delete
  skiff delete demo --ignore-not-found
  skiff delete --all`,
		Args:              kit.Args(0, 1, ""),
		ValidArgsFunction: deps.CompleteClusters,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.All && len(args) > 0 {
				return kit.UsageError(cmd, "--all and a name exclude each other")
			}
			if o.Name, err = deps.ClusterArg(cmd, args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.All, "all", false, "delete all clusters of this engine")
	f.BoolVar(&o.IgnoreNotFound, "ignore-not-found", false, "succeed if there is no such cluster")
	o.Kubeconfig.AddFlag(f)
	return cmd
}

func run(ctx context.Context, o *Options) error {
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	names := []string{o.Name}
	if o.All {
		clusters, err := service.List(ctx)
		if err != nil {
			return err
		}
		names = names[:0]
		for _, c := range clusters {
			names = append(names, c.Name)
		}
	}
	deleted := []string{}
	var errs []error // one cluster that resists must not save the others
	for _, name := range names {
		err := service.Delete(ctx, name)
		switch {
		case err == nil:
			deleted = append(deleted, name)
			if err := o.Kubeconfig.Remove(ctx, name, renderer); err != nil {
				errs = append(errs, o.Kubeconfig.ContextLeft(name, err))
			}
		case fault.CodeOf(err) != fault.NotFound:
			errs = append(errs, err)
		case !o.IgnoreNotFound:
			errs = append(errs, withContext(o, name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	renderer.Close()
	if o.JSON() {
		if err := o.PrintJSON(map[string][]string{"deleted": deleted}); err != nil {
			return err
		}
	}
	for _, name := range deleted {
		o.Say("Cluster %s is deleted.", name)
	}
	if len(deleted) == 0 && len(errs) == 0 {
		o.Say("There was no cluster to delete.")
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// withContext adds to the error of a cluster that this engine does not have how to be rid of its context. That stays:
// the cluster may be another engine's, which DOCKER_HOST does not name just now.
func withContext(o *Options, name string, err error) error {
	hint := o.Kubeconfig.RemoveHint(name)
	var f *fault.Error
	if hint == "" || !errors.As(err, &f) {
		return err
	}
	told := *f
	told.Hint += "\n" + hint
	return &told
}
