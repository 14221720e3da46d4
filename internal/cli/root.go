// Package cli is the command line: it parses, calls package cluster, and turns errors into exit codes. The tree
// of commands is the tree of its sub-packages; start at [newRoot].
package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/apply"
	"github.com/skiff-cluster/skiff/internal/cli/bundle"
	"github.com/skiff-cluster/skiff/internal/cli/completion"
	"github.com/skiff-cluster/skiff/internal/cli/config"
	"github.com/skiff-cluster/skiff/internal/cli/create"
	"github.com/skiff-cluster/skiff/internal/cli/delete"
	"github.com/skiff-cluster/skiff/internal/cli/doctor"
	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cli/kubeconfig"
	"github.com/skiff-cluster/skiff/internal/cli/kubectl"
	"github.com/skiff-cluster/skiff/internal/cli/list"
	"github.com/skiff-cluster/skiff/internal/cli/load"
	"github.com/skiff-cluster/skiff/internal/cli/node"
	"github.com/skiff-cluster/skiff/internal/cli/pause"
	"github.com/skiff-cluster/skiff/internal/cli/resume"
	"github.com/skiff-cluster/skiff/internal/cli/start"
	"github.com/skiff-cluster/skiff/internal/cli/status"
	"github.com/skiff-cluster/skiff/internal/cli/stop"
	"github.com/skiff-cluster/skiff/internal/cli/version"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nearest"
)

// newRoot returns the whole tree of commands.
func newRoot(deps *kit.Deps) *cobra.Command {
	root := &cobra.Command{
		Use:   "skiff",
		Short: "Real Kubernetes in a container, in seconds",
		Long: `Skiff runs real Kubernetes in containers, in seconds. It needs Docker and nothing else.

'skiff help exit-codes' lists the exit codes.`,
		Example: `  skiff create
  skiff kubectl get nodes
  skiff delete`,
		SilenceErrors: true, // package cli prints them, with their hints
		SilenceUsage:  true,
		// Flags before a command belong to skiff, flags after 'kubectl' to kubectl.
		TraverseChildren:  true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              knownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(deps.In)
	root.SetOut(deps.Out)
	root.SetErr(deps.Err)
	root.SetFlagErrorFunc(kit.FlagError)
	deps.Flags.AddTo(root.PersistentFlags(), deps.Getenv)
	_ = root.RegisterFlagCompletionFunc("cluster", func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return deps.CompleteClusters(cmd, nil, word)
	})
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(kit.Outputs, cobra.ShellCompDirectiveNoFileComp))

	groups := []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Clusters:", []*cobra.Command{
			create.NewCmd(deps), apply.NewCmd(deps), list.NewCmd(deps), status.NewCmd(deps), delete.NewCmd(deps),
			start.NewCmd(deps), stop.NewCmd(deps), pause.NewCmd(deps), resume.NewCmd(deps), config.NewCmd(deps),
		}},
		{"Working with a cluster:", []*cobra.Command{
			kubectl.NewCmd(deps), kubeconfig.NewCmd(deps), load.NewCmd(deps), node.NewCmd(deps),
		}},
		{"When something is wrong:", []*cobra.Command{
			doctor.NewCmd(deps), bundle.NewCmd(deps),
		}},
		{"About skiff:", []*cobra.Command{
			version.NewCmd(deps), completion.NewCmd(deps),
		}},
	}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("About skiff:")
	root.AddCommand(exitCodesTopic())
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Run, help.RunE = nil, runHelp
	}
	return root
}

// runHelp is cobra's own help, except that it is an error to ask about what does not exist.
func runHelp(cmd *cobra.Command, args []string) error {
	about, rest, err := cmd.Root().Find(args)
	if err != nil {
		return err
	}
	if about.HasSubCommands() && len(rest) > 0 {
		return knownCommand(about, rest)
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}

// knownCommand refuses a command that does not exist, and names the one that was probably meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, append(c.Aliases, c.Name())...)
		}
	}
	hint := fmt.Sprintf("Run '%s --help' to see all commands.", cmd.CommandPath())
	if best := nearest.Name(args[0], names); best != "" {
		hint = fmt.Sprintf("Did you mean '%s %s'? %s", cmd.CommandPath(), best, hint)
	}
	return &fault.Error{Code: fault.Usage, Summary: fmt.Sprintf("unknown command %q", args[0]), Hint: hint}
}
