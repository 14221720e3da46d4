// Package stop is `skiff stop`.
package stop

import (
	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
)

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	verb := kit.Verb{Do: (*cluster.Service).Stop, Done: "stopped", Said: "Cluster %s is stopped. Start it again with 'skiff start %[1]s'."}
	return kit.NewVerbCmd(deps, verb, &cobra.Command{
		Use:   "stop",
		Short: "Stop a cluster",
		Long: `Stop a cluster in order: agents, then servers. Its pods end as they do when a machine is shut down. Everything is
kept, and the cluster stays stopped when Docker or its host starts again, until 'skiff start'.`,
		Example: `  skiff stop
  skiff stop demo`,
	})
}
