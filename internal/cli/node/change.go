package node

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
)

// ChangeOptions are those of `skiff node remove`, `start` and `stop`.
type ChangeOptions struct {
	*kit.Deps
	Nodes []string
	Force bool

	lost bool // the nodes need no container for it
	Wait time.Duration
}

// NewRemoveCmd returns `skiff node remove`.
func NewRemoveCmd(deps *kit.Deps) *cobra.Command {
	o := &ChangeOptions{Deps: deps, lost: true}
	cmd := newChangeCmd(o, "remove", runRemove)
	cmd.ValidArgsFunction = o.CompleteAllNodes
	cmd.Aliases = []string{"rm"}
	cmd.Short = "Remove nodes from a cluster"
	cmd.Long = `Remove nodes from a cluster: their pods move to others first, a server leaves the datastore, and then all of a node
goes, the data of its pods included. Of a node that lost its container what is left is removed.

The last server cannot be removed, nor one without which there is no majority, nor a majority at once.`
	cmd.Example = `  skiff node remove agent-2
  skiff --cluster ha node remove skiff-ha-server-3
  skiff node remove agent-1 --force`
	cmd.Flags().BoolVar(&o.Force, "force", false, "do not wait for pods to move; a server leaves the datastore all the same")
	return cmd
}

// NewStartCmd returns `skiff node start`.
func NewStartCmd(deps *kit.Deps) *cobra.Command {
	o := &ChangeOptions{Deps: deps}
	cmd := newChangeCmd(o, "start", runStart)
	cmd.Short = "Start nodes that were stopped"
	cmd.Long = `Start nodes that were stopped, and wait until they are ready.`
	cmd.Example = `  skiff node start agent-1
  skiff --cluster ha node start server-2 server-3`
	kit.AddWait(cmd.Flags(), &o.Wait, "each node")
	return cmd
}

// NewStopCmd returns `skiff node stop`.
func NewStopCmd(deps *kit.Deps) *cobra.Command {
	o := &ChangeOptions{Deps: deps}
	cmd := newChangeCmd(o, "stop", runStop)
	cmd.Short = "Stop nodes, as if their machines were shut down"
	cmd.Long = `Stop nodes, as if their machines were shut down. Kubernetes notices after some seconds, and moves their pods.`
	cmd.Example = `  skiff node stop agent-1
  skiff --cluster ha node stop server-2`
	return cmd
}

func newChangeCmd(o *ChangeOptions, verb string, run func(context.Context, *ChangeOptions) error) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " NODE...",
		Args:              kit.Args(1, -1, "the node"),
		ValidArgsFunction: o.CompleteNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Nodes = args
			return run(cmd.Context(), o)
		},
	}
}

func runRemove(ctx context.Context, o *ChangeOptions) error {
	return change(ctx, o, "removed", func(ctx context.Context, s *cluster.Service, nodes []string) ([]string, error) {
		return s.RemoveNodes(ctx, o.Flags.Cluster, nodes, cluster.RemoveOptions{Force: o.Force})
	})
}

func runStart(ctx context.Context, o *ChangeOptions) error {
	return change(ctx, o, "started", func(ctx context.Context, s *cluster.Service, nodes []string) ([]string, error) {
		if err := s.StartNodes(ctx, o.Flags.Cluster, nodes, o.Wait); err != nil {
			return []string{}, err
		}
		return nodes, nil
	})
}

func runStop(ctx context.Context, o *ChangeOptions) error {
	return change(ctx, o, "stopped", func(ctx context.Context, s *cluster.Service, nodes []string) ([]string, error) {
		for i, node := range nodes {
			if err := s.StopNode(ctx, o.Flags.Cluster, node); err != nil {
				return nodes[:i], err
			}
		}
		return nodes, nil
	})
}

// changeNodes does something with nodes, and returns the names of those with which it succeeded.
type changeNodes func(ctx context.Context, s *cluster.Service, nodes []string) (done []string, err error)

// change does something with nodes, and says what was done. Nothing is done if one of them does not exist.
func change(ctx context.Context, o *ChangeOptions, done string, do changeNodes) error {
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	nodes, err := service.NodeNames(ctx, o.Flags.Cluster, o.Nodes, o.lost)
	if err != nil {
		return err
	}
	changed, err := do(ctx, service, nodes)
	renderer.Close()
	if o.JSON() {
		if printErr := o.PrintJSON(map[string][]string{done: changed}); err == nil {
			err = printErr
		}
		return err
	}
	for _, node := range changed {
		o.Say("Node %s is %s.", node, done)
	}
	return err
}
