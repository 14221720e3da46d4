// Package node is `skiff node`, with its sub-commands.
package node

import (
	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
)

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "List, add, remove, start and stop the nodes of a cluster, or open a shell in one",
		Example: `  skiff node list
  skiff node add --count 2
  skiff node shell`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(NewListCmd(deps), NewAddCmd(deps), NewRemoveCmd(deps), NewStartCmd(deps), NewStopCmd(deps),
		NewShellCmd(deps))
	return cmd
}
