// Package create is `skiff create`.
package create

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/ui"
)

// Options of the command.
type Options struct {
	*kit.Deps
	// Spec is what the flags say, as far as it is no more than a value; see [makeSpec].
	Spec            cluster.Spec
	Servers, Agents int
	// File is the cluster file, "" for none.
	File string
	// Changed says whether a flag, or "name" for the argument, was given.
	Changed    func(flag string) bool
	Wait       time.Duration
	Retain     bool
	DryRun     bool
	Kubeconfig kit.Kubeconfig
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps, Kubeconfig: kit.Kubeconfig{Getenv: deps.Getenv}}
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create a cluster",
		Long: `Create a Kubernetes cluster and wait until it is ready: every node is Ready, the API answers, cluster DNS
resolves, the default service account exists. If that does not come true, or on Ctrl-C, everything is removed
again and the reason is shown.

Its nodes are servers, which run the control plane, and agents, which run workloads only. Three or five servers
survive the loss of one or two. What else there is to choose is in a cluster file: see 'skiff config print-schema'.
A configuration of kind is accepted as it is. Flags change what the file says.

The cluster's context, skiff-NAME, is written to the kubeconfig and selected. Last, the manifests that the cluster
file names are applied; if an object is refused, the cluster stays, and the exit code says so.`,
		Example: `  skiff create
  skiff create demo --ephemeral --wait 30s
  skiff create ha --servers 3 --agents 2
  skiff create --config cluster.yaml
  skiff create --dry-run --output json`,
		Args:              kit.Args(0, 1, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Spec.Name, err = deps.ClusterArg(cmd, args); err != nil {
				return err
			}
			o.Changed = func(flag string) bool {
				return cmd.Flags().Changed(flag) || flag == "name" && (len(args) > 0 || cmd.Flags().Changed("cluster"))
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.File, "config", "f", "", "cluster `file` to begin with, or \"-\" for the standard input")
	f.IntVar(&o.Servers, "servers", 1, "number of servers: 1, 3 or 5")
	f.IntVar(&o.Agents, "agents", 0, "number of agents")
	kit.AddWait(f, &o.Wait, "the cluster")
	f.BoolVar(&o.Retain, "retain", false, "keep what was made if the cluster does not become ready")
	f.BoolVar(&o.DryRun, "dry-run", false, "print what would be done, and do nothing")
	f.BoolVar(&o.Spec.Ephemeral, "ephemeral", false, "do not flush the datastore to disk: faster, and a crash of the host may lose it")
	f.StringVar(&o.Spec.APIAddress, "api-address", "127.0.0.1", "`address` of the host to publish the API on")
	f.Uint16Var(&o.Spec.APIPort, "api-port", 0, "`port` of the host to publish the API on (default: chosen from the name)")
	f.StringVar(&o.Spec.ImageRef, "image", "", "node image to use (default: the one this program carries)")
	o.Kubeconfig.AddFlag(f)
	f.BoolVar(&o.Kubeconfig.Skip, "no-kubeconfig", false, "leave the kubeconfig alone (see 'skiff kubeconfig')")
	return cmd
}

func run(ctx context.Context, o *Options) error {
	file, err := readFile(o)
	if err != nil {
		return err
	}
	spec, err := makeSpec(o, file.Config)
	if err != nil {
		return err
	}
	if o.DryRun {
		return plan(ctx, o, spec, file)
	}
	if err := o.Kubeconfig.Check(ctx); err != nil {
		return err // before anything is made that would have to be undone
	}
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	if err := o.Preflight(ctx, service.Engine, spec.Count(nodeapi.RoleServer), spec.Count(nodeapi.RoleAgent)); err != nil {
		return err
	}
	created, err := service.Create(ctx, spec, cluster.CreateOptions{Wait: o.Wait, Retain: o.Retain})
	if err != nil {
		return file.Locate(err)
	}
	if err := o.Complete(ctx, &o.Kubeconfig, &created.Credentials, file.Manifests, renderer); err != nil {
		return err
	}
	renderer.Close()
	return tell(o, created, file)
}

// plan prints what create would do.
func plan(ctx context.Context, o *Options, spec cluster.Spec, file *kit.ClusterFile) error {
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	plan, err := service.PlanCreate(ctx, spec)
	if err != nil {
		return file.Locate(err)
	}
	if o.JSON() {
		return o.PrintJSON(planned{plan, file})
	}
	_, err = fmt.Fprintln(o.Out, plan.String()+file.ThenApply())
	return err
}

// tell says what there is now and what to do with it.
func tell(o *Options, c *cluster.Created, file *kit.ClusterFile) error {
	if o.JSON() {
		return o.PrintJSON(result{c.Cluster, o.Kubeconfig.ContextOf(c.Cluster.Name), c.Took.Seconds(), file})
	}
	skiff := "skiff"
	if c.Cluster.Name != kit.DefaultCluster {
		skiff += " --cluster " + c.Cluster.Name
	}
	if !o.Kubeconfig.Skip {
		o.Say("\nkubectl now talks to this cluster (context %s). Try:", o.Kubeconfig.ContextOf(c.Cluster.Name))
		o.Say("  kubectl get nodes")
	} else {
		o.Say("\nTry:")
	}
	o.Say("  %s kubectl get pods -A", skiff)
	o.Say("\nCluster %s runs Kubernetes %s at %s, ready after %s.", c.Cluster.Name, c.Cluster.Kubernetes, c.Cluster.Endpoint, ui.Seconds(c.Took))
	return nil
}

// planned is what --dry-run --output json prints.
type planned struct {
	*cluster.Plan
	*kit.ClusterFile
}

// result is what --output json prints.
type result struct {
	cluster.Cluster
	Context string  `json:"context,omitempty"`
	Seconds float64 `json:"seconds"`
	*kit.ClusterFile
}
