package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/ui"
)

// AddOptions are those of `skiff node add`.
type AddOptions struct {
	*kit.Deps
	Group  cluster.Group
	Wait   time.Duration
	Retain bool
	DryRun bool
}

// NewAddCmd returns `skiff node add`.
func NewAddCmd(deps *kit.Deps) *cobra.Command {
	o := &AddOptions{Deps: deps}
	var role, cpus, memory string
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add nodes to a running cluster",
		Long: `Add nodes to a running cluster, and wait until they are Ready. If that does not come true, or on Ctrl-C, they are
removed again. Nothing else in the cluster restarts, with one exception: when a cluster of one server gets more, its
API moves to an edge in front of all of them, and that server starts once more. Agents can be added while some nodes
are stopped, as long as most servers run; for a server, all nodes must run.`,
		Example: `  skiff node add
  skiff node add --count 2 --cpus 2 --memory 2Gi
  skiff node add --role server --count 2`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			o.Group.Role = nodeapi.Role(role)
			if o.Group.Role != nodeapi.RoleServer && o.Group.Role != nodeapi.RoleAgent {
				return kit.UsageError(cmd, fmt.Sprintf("--role %q is neither server nor agent", role))
			}
			if o.Group.Count < 1 {
				return kit.UsageError(cmd, fmt.Sprintf("--count %d adds nothing", o.Group.Count))
			}
			if o.Group.CPUMillis, err = quantity("cpus", cpus, (*resource.Quantity).MilliValue); err != nil {
				return err
			}
			if o.Group.MemoryBytes, err = quantity("memory", memory, (*resource.Quantity).Value); err != nil {
				return err
			}
			for name, value := range o.Group.Labels {
				if wrong := slices.Concat(validation.IsQualifiedName(name), validation.IsValidLabelValue(value)); len(wrong) > 0 {
					return kit.UsageError(cmd, fmt.Sprintf("--label %s=%s is no label: %s", name, value, wrong[0]))
				}
			}
			return runAdd(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&role, "role", string(nodeapi.RoleAgent), "`role` of the nodes: server or agent")
	f.IntVar(&o.Group.Count, "count", 1, "number of nodes")
	f.StringVar(&cpus, "cpus", "", "`number` of processors of each node, such as 2 or 500m (default: all of the host's)")
	f.StringVar(&memory, "memory", "", "`amount` of memory of each node, such as 2Gi (default: all of the host's)")
	f.StringToStringVar(&o.Group.Labels, "label", nil, "`label=value` of the nodes in Kubernetes")
	f.Lookup("label").DefValue = "" // pflag would show [] as one
	kit.AddWait(f, &o.Wait, "the nodes")
	f.BoolVar(&o.Retain, "retain", false, "keep what was made if the nodes do not become ready")
	f.BoolVar(&o.DryRun, "dry-run", false, "print what would be done, and do nothing")
	if err := cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]cobra.Completion{string(nodeapi.RoleAgent), string(nodeapi.RoleServer)}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

// quantity reads an amount as Kubernetes writes it; none is 0.
func quantity(flag, text string, value func(*resource.Quantity) int64) (int64, error) {
	if text == "" {
		return 0, nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() <= 0 {
		return 0, &fault.Error{Code: fault.Usage, Summary: fmt.Sprintf("--%s %q is not an amount", flag, text), Hint: "Write it as Kubernetes does: 2, 500m, 2Gi."}
	}
	return value(&q), nil
}

func runAdd(ctx context.Context, o *AddOptions) error {
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	if o.DryRun {
		plan, err := service.PlanAdd(ctx, o.Flags.Cluster, o.Group)
		if err != nil {
			return err
		}
		if o.JSON() {
			return o.PrintJSON(plan)
		}
		_, err = fmt.Fprintln(o.Out, plan.String())
		return err
	}
	more := cluster.Spec{Groups: []cluster.Group{o.Group}}
	if err := o.Preflight(ctx, service.Engine, more.Count(nodeapi.RoleServer), more.Count(nodeapi.RoleAgent)); err != nil {
		return err
	}
	began := time.Now()
	c, err := service.AddNodes(ctx, o.Flags.Cluster, o.Group, cluster.CreateOptions{Wait: o.Wait, Retain: o.Retain})
	if err != nil {
		return err
	}
	renderer.Close()
	if o.JSON() {
		return o.PrintJSON(c)
	}
	o.Say("Cluster %s has %d nodes now, ready after %s.", c.Name, c.KubernetesNodes(), ui.Seconds(time.Since(began)))
	return nil
}
