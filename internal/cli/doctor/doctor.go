// Package doctor is `skiff doctor`.
package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/doctor"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Options of the command.
type Options struct{ *kit.Deps }

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this host can run clusters",
		Long: `Check Docker, the kernel, limits, disk, memory and unused node images, and say what to do about each finding.
Ends with exit code 1 if something keeps clusters from running, or with 5 if Docker cannot be used; warnings do not
count.`,
		Example: `  skiff doctor
  skiff doctor --output json`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
}

func run(ctx context.Context, o *Options) error {
	carried := ""
	if image, err := o.Image(); err == nil { // a program without one has nothing to keep
		carried = image.Ref()
	}
	host := doctor.Observe(ctx, o.Engine, carried)
	findings := doctor.Examine(host)
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.JSON() {
		if err := o.PrintJSON(findings); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(o.Out, text(findings)); err != nil {
		return err
	}
	if host.EngineError != nil {
		return withoutEngine(host.EngineError)
	}
	if doctor.Failed(findings) {
		return kit.Exit{Code: 1}
	}
	return nil
}

// withoutEngine ends the command with the code that every other command has for the same failure. The finding has told
// why, and what to do about it.
func withoutEngine(err error) error {
	return &fault.Error{Code: fault.CodeOf(err), Summary: "Docker cannot be used, and without it this host cannot be checked",
		Hint: "Do what it says beside FAIL, then run 'skiff doctor' again."}
}

func text(findings []doctor.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		level := string(f.Level)
		switch f.Level {
		case doctor.Fail, doctor.Warn:
			level = strings.ToUpper(level)
		case doctor.Skipped:
			level = "-"
		}
		fmt.Fprintf(&b, "%-5s %-18s %s\n", level, f.Check, f.Message)
		if f.Fix != "" {
			fmt.Fprintf(&b, "      %-18s %s\n", "", strings.ReplaceAll(f.Fix, "\n", "\n"+strings.Repeat(" ", 25)))
		}
	}
	return b.String()
}
