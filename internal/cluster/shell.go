package cluster

import (
	"context"
	"fmt"
	"strings"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// Shell runs a command in a node and returns its exit code. node may be "" if the cluster has only one.
func (s *Service) Shell(ctx context.Context, cluster, node string, spec ExecSpec) (int, error) {
	c, err := s.Get(ctx, cluster)
	if err != nil {
		return 0, err
	}
	var names []string
	if node != "" {
		names = []string{node}
	} else if len(c.Nodes) > 1 {
		for _, n := range c.Nodes {
			names = append(names, n.Name)
		}
		return 0, &fault.Error{Code: fault.Usage, Summary: fmt.Sprintf("cluster %s has %d nodes", c.Name, len(c.Nodes)),
			Hint: "Name one of them: " + strings.Join(names, ", ") + "."}
	}
	nodes, err := c.running(names)
	if err != nil {
		return 0, err
	}
	return s.Engine.Exec(ctx, nodes[0].Name, spec)
}
