// Package config is `skiff config`, with its sub-commands view and print-schema. Neither touches Docker.
package config

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/config"
)

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a cluster file, or print what one may hold",
		Example: `  skiff config view cluster.yaml
  skiff config print-schema`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(NewViewCmd(deps), NewPrintSchemaCmd(deps))
	return cmd
}

// ViewOptions are those of `skiff config view`.
type ViewOptions struct {
	*kit.Deps
	File string
}

// NewViewCmd returns `skiff config view`.
func NewViewCmd(deps *kit.Deps) *cobra.Command {
	o := &ViewOptions{Deps: deps}
	return &cobra.Command{
		Use:   "view FILE",
		Short: "Print a cluster file as skiff reads it",
		Long: `Print a cluster file as skiff reads it, with defaults filled in and paths absolute, or what is wrong with it, line by
line. A configuration of kind (kind.x-k8s.io/v1alpha4) is printed as the cluster file that it amounts to; what of it has
no counterpart is listed on the error stream. FILE "-" is the standard input.`,
		Example: `  skiff config view cluster.yaml
  skiff config view kind.yaml > cluster.yaml
  skiff config view - --output json < cluster.yaml`,
		Args: kit.Args(1, 1, "the cluster file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File = args[0]
			return runView(cmd.Context(), o)
		},
	}
}

func runView(_ context.Context, o *ViewOptions) error {
	file, err := o.ReadClusterFile(o.File)
	if err != nil {
		return err
	}
	if o.JSON() {
		return o.PrintJSON(file.Config) // a cluster file again
	}
	out, err := file.Config.YAML()
	if err != nil {
		return err
	}
	_, err = o.Out.Write(out)
	return err
}

// PrintSchemaOptions are those of `skiff config print-schema`.
type PrintSchemaOptions struct{ *kit.Deps }

// NewPrintSchemaCmd returns `skiff config print-schema`.
func NewPrintSchemaCmd(deps *kit.Deps) *cobra.Command {
	o := &PrintSchemaOptions{Deps: deps}
	return &cobra.Command{
		Use:   "print-schema",
		Short: "Print the JSON Schema of cluster files",
		Long: `Print the JSON Schema of cluster files, which describes every field. Editors complete and check with it: write it to a
file, and begin a cluster file with a line that names it.`,
		Example: `  skiff config print-schema > cluster.schema.json
  echo '# yaml-language-server: $schema=cluster.schema.json' > cluster.yaml`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runPrintSchema(cmd.Context(), o) },
	}
}

func runPrintSchema(_ context.Context, o *PrintSchemaOptions) error {
	if _, err := o.Out.Write(config.Schema()); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	return nil
}
