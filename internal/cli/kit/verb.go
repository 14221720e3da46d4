package kit

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// Verb is what a command does to a cluster whose NAME is all that it takes.
type Verb struct {
	Do func(s *cluster.Service, ctx context.Context, name string) error
	// Done is the key of the name in the JSON output.
	Done string
	// Said is told when it is done; %[1]s is the name.
	Said string
}

// NewVerbCmd completes cmd, which has its words, to a command that does verb.
func NewVerbCmd(deps *Deps, verb Verb, cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [NAME]"
	cmd.Args = Args(0, 1, "")
	cmd.ValidArgsFunction = deps.CompleteClusters
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := deps.ClusterArg(cmd, args)
		if err != nil {
			return err
		}
		return runVerb(cmd.Context(), deps, verb, name)
	}
	return cmd
}

func runVerb(ctx context.Context, deps *Deps, verb Verb, name string) error {
	renderer := deps.Renderer()
	defer renderer.Close()
	service, err := deps.Service(ctx, renderer)
	if err != nil {
		return err
	}
	if err := verb.Do(service, ctx, name); err != nil {
		return err
	}
	renderer.Close()
	if deps.JSON() {
		return deps.PrintJSON(map[string]string{verb.Done: name})
	}
	deps.Say(verb.Said, name)
	return nil
}
