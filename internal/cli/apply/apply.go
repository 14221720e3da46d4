// Package apply is `skiff apply`.
package apply

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/config"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/ui"
)

// Options of the command.
type Options struct {
	*kit.Deps
	File string
	// Named is true if the command line names the cluster: then that holds, and not what the file says.
	Named       bool
	Yes, DryRun bool
	Wait        time.Duration
	Kubeconfig  kit.Kubeconfig
	// Ask asks a question, and is nil if nobody is there to answer.
	Ask func(ctx context.Context, question string) (bool, error)
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps, Kubeconfig: kit.Kubeconfig{Getenv: deps.Getenv}}
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make a cluster what a cluster file says",
		Long: `Compare a cluster with a cluster file, show what differs and what will be done about it, ask, and do it. A cluster that
does not exist is created. A file that is applied a second time changes nothing.

Every difference is of one of these classes:
  in place      nothing that runs is restarted: the number of nodes, their labels and taints
  rolling       nodes are restarted one after the other, each once the one before is ready again. Where that is enough,
                only a node's Kubernetes process is restarted, and pods go on; else its pods first move to other nodes,
                if there are any
  re-creation   decided when a cluster is made: networks, the API's address, another minor of Kubernetes. The whole file
                is refused

What is not affected is not restarted. Of a group that gets smaller, the nodes that do not run go, and then those
with the highest numbers. A node that does not become ready with what the file says gets back what it had. After Ctrl-C,
apply the file again to go on.

A file that names no image leaves the nodes theirs. Labels and taints that others gave a node are left alone. Manifests
are applied when the cluster is created, and later with 'skiff kubectl apply'.`,
		Example: `  skiff apply -f cluster.yaml
  skiff apply -f cluster.yaml --dry-run
  skiff apply -f cluster.yaml --yes --output json
  skiff --cluster demo apply -f - --yes < cluster.yaml`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Named = cmd.Flags().Changed("cluster")
			if o.File == "" {
				return kit.UsageError(cmd, "--file is missing: it names the cluster file")
			}
			if kit.IsTerminal(deps.In) && kit.IsTerminal(deps.Err) && !deps.JSON() && o.File != config.Stdin {
				o.Ask = func(ctx context.Context, question string) (bool, error) { return ask(ctx, deps.In, deps.Err, question) }
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.File, "file", "f", "", "cluster `file`, or \"-\" for the standard input")
	f.StringVar(&o.File, "config", "", "the same as --file, for a cluster `file`")
	f.BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.DryRun, "dry-run", false, "print what would be done, and do nothing")
	kit.AddWait(f, &o.Wait, "each node")
	o.Kubeconfig.AddFlag(f)
	f.BoolVar(&o.Kubeconfig.Skip, "no-kubeconfig", false, "leave the kubeconfig alone if the cluster is created")
	return cmd
}

func run(ctx context.Context, o *Options) error {
	file, err := o.ReadClusterFile(o.File)
	if err != nil {
		return err
	}
	spec, err := makeSpec(o, file.Config)
	if err != nil {
		return err
	}
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	plan, err := service.PlanApply(ctx, spec)
	if err != nil {
		return file.Locate(err)
	}
	if plan.Create == nil {
		file.Manifests = nil // they are for new clusters
	}
	switch {
	case o.DryRun && o.JSON():
		return errors.Join(o.PrintJSON(planned{plan, file}), plan.Refusal())
	case o.DryRun:
		_, err := fmt.Fprintln(o.Out, plan.String()+file.ThenApply())
		return errors.Join(err, plan.Refusal())
	}
	if !plan.Empty() {
		o.Say("%s\n", plan.String()+file.ThenApply())
	}
	if err := plan.Refusal(); err != nil {
		return err
	}
	if yes, err := confirmed(ctx, o, plan); err != nil || !yes {
		return err
	}
	if err := prepare(ctx, o, service, plan); err != nil {
		return err
	}
	began := time.Now()
	applied, err := service.Apply(ctx, plan, cluster.CreateOptions{Wait: o.Wait})
	if err != nil {
		return file.Locate(err)
	}
	if applied.Credentials != nil {
		if err := o.Complete(ctx, &o.Kubeconfig, applied.Credentials, file.Manifests, renderer); err != nil {
			return err
		}
	}
	// That it is what the file says would be half of the truth about a cluster that is not ready.
	notReady := service.CheckReady(ctx, plan.Cluster, settleTime)
	renderer.Close()
	return errors.Join(tell(o, plan, applied, file, time.Since(began)), notReady)
}

// settleTime is how long nodes that were not changed may take to be ready again, if others were.
const settleTime = 15 * time.Second

// makeSpec makes the specification of the cluster file, whose name the command line may change.
func makeSpec(o *Options, file *config.Cluster) (cluster.Spec, error) {
	spec, err := file.Spec()
	if spec.Name == "" || o.Named {
		spec.Name = o.Flags.Cluster
	}
	return spec, err
}

// confirmed says if the plan is to be carried out.
func confirmed(ctx context.Context, o *Options, plan *cluster.ApplyPlan) (bool, error) {
	switch {
	case o.Yes, plan.Empty():
		return true, nil
	case o.Ask == nil:
		return false, &fault.Error{Code: fault.Usage, Summary: "there is nobody to ask if this is to be done",
			Hint: "Say so with --yes, or see what would be done with --dry-run."}
	}
	yes, err := o.Ask(ctx, "Apply? [y/N] ")
	if err == nil && !yes {
		o.Say("Nothing was done.")
	}
	return yes, err
}

// ask reads the answer to a question from a terminal. Nobody can end a read of that, so that on Ctrl-C it is left alone.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprint(out, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // the end of the input is no answer
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, context.Cause(ctx)
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		}
		return false, nil
	}
}

// prepare looks at what would stand in the way of nodes that come.
func prepare(ctx context.Context, o *Options, service *cluster.Service, plan *cluster.ApplyPlan) error {
	if plan.Create != nil {
		if err := o.Kubeconfig.Check(ctx); err != nil {
			return err // before anything is made that would have to be undone
		}
	}
	servers, agents := plan.NewNodes()
	if servers+agents == 0 {
		return nil
	}
	return o.Preflight(ctx, service.Engine, servers, agents)
}

// planned is what --dry-run --output json prints.
type planned struct {
	*cluster.ApplyPlan
	*kit.ClusterFile
}

// result is what --output json prints.
type result struct {
	Plan    *cluster.ApplyPlan `json:"plan"`
	Cluster cluster.Cluster    `json:"cluster"`
	// Context is the one that was written, because the cluster is new.
	Context string `json:"context,omitempty"`
	*kit.ClusterFile
}

func tell(o *Options, plan *cluster.ApplyPlan, applied *cluster.Applied, file *kit.ClusterFile, took time.Duration) error {
	if o.JSON() {
		r := result{Plan: plan, Cluster: applied.Cluster, ClusterFile: file}
		if plan.Create != nil {
			r.Context = o.Kubeconfig.ContextOf(plan.Cluster)
		}
		return o.PrintJSON(r)
	}
	switch {
	case plan.Empty():
		o.Say("%s", plan)
	case plan.Create != nil:
		o.Say("\nCluster %s runs Kubernetes %s at %s, ready after %s.", applied.Cluster.Name, applied.Cluster.Kubernetes, applied.Cluster.Endpoint, ui.Seconds(took))
	default:
		o.Say("\nCluster %s is what the file says, after %s.", applied.Cluster.Name, ui.Seconds(took))
	}
	return nil
}
