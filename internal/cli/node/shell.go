package node

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
)

// ShellOptions are those of `skiff node shell`.
type ShellOptions struct {
	*kit.Deps
	Node    string
	Command []string
}

// NewShellCmd returns `skiff node shell`.
func NewShellCmd(deps *kit.Deps) *cobra.Command {
	o := &ShellOptions{Deps: deps}
	return &cobra.Command{
		Use:   "shell [NODE] [-- COMMAND...]",
		Short: "Open a shell in a node, or run a command there",
		Long: `Open a shell in a node, or run a command there, and end with its exit code. The node may be left out if the
cluster has only one.`,
		Example: `  skiff node shell
  skiff node shell skiff-skiff-server-1 -- nft list ruleset
  skiff --cluster demo node shell -- cat /etc/resolv.conf`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault // the command's own
			}
			return deps.CompleteNodes(cmd, args, toComplete)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			before := args
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				before, o.Command = args[:dash], args[dash:]
			}
			if len(before) > 1 {
				return kit.UsageError(cmd, "a command comes after --")
			}
			if len(before) == 1 {
				o.Node = before[0]
			}
			return runShell(cmd.Context(), o)
		},
	}
}

func runShell(ctx context.Context, o *ShellOptions) error {
	service, err := o.Service(ctx, event.Discard)
	if err != nil {
		return err
	}
	spec := cluster.ExecSpec{Cmd: o.Command, Stdout: o.Out, Stderr: o.Err}
	if len(spec.Cmd) == 0 {
		spec.Cmd = []string{"/bin/sh"}
	}
	if name := o.Getenv("TERM"); name != "" {
		spec.Env = []string{"TERM=" + name}
	}
	if in, isTerminal := terminal(o); isTerminal {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		spec.TTY, spec.Stdin, spec.Resize = true, in, watchSize(ctx, in)
		// Keys go to the node as they are, Ctrl-C too.
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return err
		}
		defer term.Restore(int(in.Fd()), old) //nolint:errcheck // the terminal has gone
	} else {
		spec.Stdin = o.In
	}
	code, err := service.Shell(ctx, o.Flags.Cluster, o.Node, spec)
	if err != nil {
		return err
	}
	if code != 0 {
		return kit.Exit{Code: code}
	}
	return nil
}

// terminal returns the terminal to hand to the node, if both ends of the conversation are one.
func terminal(o *ShellOptions) (*os.File, bool) {
	if !kit.IsTerminal(o.In) || !kit.IsTerminal(o.Out) {
		return nil, false
	}
	return o.In.(*os.File), true
}

// sendSize passes on the terminal's size, dropping one that nobody has taken yet for the newer.
func sendSize(sizes chan cluster.WindowSize, f *os.File) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return
	}
	size := cluster.WindowSize{Columns: uint16(w), Rows: uint16(h)}
	select {
	case <-sizes:
	default:
	}
	sizes <- size // has room: this is the only sender
}
