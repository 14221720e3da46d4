// Package pause is `skiff pause`.
package pause

import (
	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
)

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	verb := kit.Verb{Do: (*cluster.Service).Pause, Done: "paused", Said: "Cluster %s is frozen. Let it go on with 'skiff resume %[1]s'."}
	return kit.NewVerbCmd(deps, verb, &cobra.Command{
		Use:   "pause",
		Short: "Freeze a cluster",
		Long: `Freeze everything in a cluster: it uses no processor, keeps its memory, and goes on where it was after 'skiff resume'.
Clients wait for answers as long as they have patience.`,
		Example: `  skiff pause
  skiff pause demo`,
	})
}
