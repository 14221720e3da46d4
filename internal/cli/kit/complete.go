package kit

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
)

// CompleteClusters offers the names of the clusters to a shell that completes a NAME.
func (d *Deps) CompleteClusters(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return d.complete(cmd, func(ctx context.Context, s *cluster.Service) (names []cobra.Completion, err error) {
		clusters, err := s.List(ctx)
		for _, c := range clusters {
			names = append(names, c.Name)
		}
		return names, err
	})
}

// CompleteNodes offers the names of the cluster's nodes that are not there yet.
func (d *Deps) CompleteNodes(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return d.completeNodes(cmd, args, func(c *cluster.Cluster) []cluster.Node { return c.Nodes })
}

// CompleteAllNodes is CompleteNodes that also offers nodes that lost their container.
func (d *Deps) CompleteAllNodes(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return d.completeNodes(cmd, args, (*cluster.Cluster).AllNodes)
}

func (d *Deps) completeNodes(cmd *cobra.Command, args []string, nodes func(*cluster.Cluster) []cluster.Node) ([]cobra.Completion, cobra.ShellCompDirective) {
	return d.complete(cmd, func(ctx context.Context, s *cluster.Service) (names []cobra.Completion, err error) {
		c, err := s.Get(ctx, d.Flags.Cluster)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes(c) {
			if !slices.Contains(args, n.Name) {
				names = append(names, cobra.CompletionWithDesc(n.Name, string(n.State)))
			}
		}
		return names, nil
	})
}

// CompleteImages offers the names of Docker's images that are not there yet.
func (d *Deps) CompleteImages(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return d.complete(cmd, func(ctx context.Context, s *cluster.Service) (names []cobra.Completion, err error) {
		images, err := s.Engine.Images(ctx, "")
		for _, i := range images {
			for _, tag := range i.Tags {
				if !slices.Contains(args, tag) {
					names = append(names, tag)
				}
			}
		}
		return names, err
	})
}

// complete asks the engine for names. A shell waits for the answer with every key, so a slow engine gets little time.
func (d *Deps) complete(cmd *cobra.Command, ask func(context.Context, *cluster.Service) ([]cobra.Completion, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	service, err := d.Service(ctx, event.Discard)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := ask(ctx, service)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
