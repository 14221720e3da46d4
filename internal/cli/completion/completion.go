// Package completion is `skiff completion`.
package completion

import (
	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
)

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes skiff's commands in a shell",
		Example: `  source <(skiff completion bash)
  skiff completion zsh > "${fpath[1]}/_skiff"
  skiff completion fish > ~/.config/fish/completions/skiff.fish`,
		Args:                  kit.Args(1, 1, "the shell (bash, zsh, fish or powershell)"),
		ValidArgs:             shells,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(deps.Out, true)
			case "zsh":
				return root.GenZshCompletion(deps.Out)
			case "fish":
				return root.GenFishCompletion(deps.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(deps.Out)
			}
			return kit.UsageError(cmd, "unknown shell \""+args[0]+"\": it is one of bash, zsh, fish, powershell")
		},
	}
}
