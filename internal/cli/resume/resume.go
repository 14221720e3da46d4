// Package resume is `skiff resume`.
package resume

import (
	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
)

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	verb := kit.Verb{Do: (*cluster.Service).Resume, Done: "resumed", Said: "Cluster %s goes on."}
	return kit.NewVerbCmd(deps, verb, &cobra.Command{
		Use:   "resume",
		Short: "Let a frozen cluster go on",
		Long:  `Let a cluster that was frozen with 'skiff pause' go on where it was, and wait until it is ready.`,
		Example: `  skiff resume
  skiff resume demo`,
	})
}
