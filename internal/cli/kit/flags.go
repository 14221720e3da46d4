package kit

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nearest"
)

// DefaultCluster is the cluster's name if nobody says one.
const DefaultCluster = "skiff"

// Output is the form of what a command prints.
type Output string

// Forms of the output.
const (
	OutputText Output = "text"
	OutputJSON Output = "json"
)

// Outputs are the forms that every command knows, as shells offer them.
var Outputs = []cobra.Completion{
	cobra.CompletionWithDesc(string(OutputText), "for people"),
	cobra.CompletionWithDesc(string(OutputJSON), "for programs"),
}

// Set implements pflag.Value.
func (o *Output) Set(s string) error {
	if s != string(OutputText) && s != string(OutputJSON) {
		return fmt.Errorf("must be text or json")
	}
	*o = Output(s)
	return nil
}

func (o *Output) String() string { return string(*o) }

// Type implements pflag.Value: it is the word in the help.
func (o *Output) Type() string { return "text|json" }

// AddTo adds the flags that every command takes to the root command.
func (f *Flags) AddTo(flags *pflag.FlagSet, getenv func(string) string) {
	f.Output = OutputText
	name := getenv("SKIFF_CLUSTER")
	if name == "" {
		name = DefaultCluster
	}
	flags.StringVar(&f.Cluster, "cluster", name, "`name` of the cluster")
	flags.Lookup("cluster").DefValue = DefaultCluster + ", or SKIFF_CLUSTER"
	flags.VarP(&f.Output, "output", "o", "form of the output")
	flags.BoolVarP(&f.Quiet, "quiet", "q", false, "show no progress")
	flags.BoolVarP(&f.Verbose, "verbose", "v", false, "show the parts of each step, and the whole cause of an error")
}

// ClusterArg returns the cluster that a command with an optional NAME works on.
func (d *Deps) ClusterArg(cmd *cobra.Command, args []string) (string, error) {
	if len(args) == 0 {
		return d.Flags.Cluster, nil
	}
	if f := cmd.Flag("cluster"); f != nil && f.Changed && f.Value.String() != args[0] {
		return "", UsageError(cmd, fmt.Sprintf("the cluster is named twice: %q and --cluster %q", args[0], f.Value))
	}
	return args[0], nil
}

// AddWait adds --wait, whose default is two minutes; what is the subject of its sentence.
func AddWait(flags *pflag.FlagSet, d *time.Duration, what string) {
	*d = 2 * time.Minute
	flags.Var((*wait)(d), "wait", "how long "+what+" may take to become ready")
}

// wait is a duration within which something can become ready.
type wait time.Duration

// Set implements pflag.Value.
func (w *wait) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err == nil && d <= 0 {
		err = errors.New("leaves no time to become ready")
	}
	*w = wait(d)
	return err
}

func (w *wait) String() string { return time.Duration(*w).String() }

// Type implements pflag.Value: it is the word in the help.
func (w *wait) Type() string { return "duration" }

// Args accepts between low and high arguments, high < 0 meaning any number; names says them in words.
func Args(low, high int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case high >= 0 && len(args) > high:
			return UsageError(cmd, fmt.Sprintf("unexpected argument %q", args[high]))
		case len(args) < low:
			return UsageError(cmd, names+" is missing")
		}
		return nil
	}
}

// UsageError is a mistake on the command line.
func UsageError(cmd *cobra.Command, summary string) error {
	return &fault.Error{
		Code: fault.Usage, Summary: summary,
		Hint: fmt.Sprintf("Run '%s --help' to see how it is used.", cmd.CommandPath()),
	}
}

var unknownFlag = regexp.MustCompile(`^unknown flag: --([^ =]+)`)

// FlagError turns pflag's message into a usage error, with the flag that was probably meant.
func FlagError(cmd *cobra.Command, err error) error {
	summary := err.Error()
	if m := unknownFlag.FindStringSubmatch(summary); m != nil {
		var names []string
		add := func(f *pflag.Flag) { names = append(names, f.Name) }
		cmd.Flags().VisitAll(add)
		cmd.InheritedFlags().VisitAll(add)
		if best := nearest.Name(m[1], names); best != "" {
			return &fault.Error{
				Code: fault.Usage, Summary: summary,
				Hint: fmt.Sprintf("Did you mean --%s? Run '%s --help' to see all flags.", best, cmd.CommandPath()),
			}
		}
	}
	return UsageError(cmd, summary)
}
