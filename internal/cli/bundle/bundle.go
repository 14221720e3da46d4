// Package bundle is `skiff bundle`.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Options of the command.
type Options struct {
	*kit.Deps
	Name string
	File string
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	cmd := &cobra.Command{
		Use:   "bundle [NAME]",
		Short: "Collect all that helps to find out what is wrong with a cluster",
		Long: `Write one archive with the log of every component, the status of every node, the cluster's objects, and what
Docker knows of its containers. The private keys of the cluster and the values of Secrets are not in it; what pods
and ConfigMaps hold is: read it through before you show it to others.`,
		Example: `  skiff bundle
  skiff bundle demo --file demo.tar.gz
  skiff bundle --file - | tar tz`,
		Args:              kit.Args(0, 1, ""),
		ValidArgsFunction: deps.CompleteClusters,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Name, err = deps.ClusterArg(cmd, args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.File, "file", "f", "", "`file` to write, - for standard output (default: skiff-NAME-TIME.tar.gz)")
	return cmd
}

func run(ctx context.Context, o *Options) (err error) {
	if o.File == "-" && kit.IsTerminal(o.Out) {
		return &fault.Error{
			Code: fault.Usage, Summary: "standard output is a terminal, and an archive is not to be read there",
			Hint: "Use --file FILE, or pipe it on: 'skiff bundle --file - | tar tz'.",
		}
	}
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	if o.File == "-" {
		return service.Bundle(ctx, o.Name, o.Out)
	}
	if _, err := service.Get(ctx, o.Name); err != nil {
		return err // before a file is made
	}
	if o.File == "" {
		o.File = fmt.Sprintf("skiff-%s-%s.tar.gz", o.Name, time.Now().Format("20060102-150405"))
	}
	size, err := write(o.File, func(w io.Writer) error { return service.Bundle(ctx, o.Name, w) })
	if err != nil {
		return err
	}
	renderer.Close()
	if o.JSON() {
		return o.PrintJSON(map[string]any{"file": o.File, "bytes": size})
	}
	if _, err := fmt.Fprintln(o.Out, o.File); err != nil {
		return err
	}
	o.Say("Wrote %d kB. Look through it before you show it to others.", (size+999)/1000)
	return nil
}

// write fills a new file, readable by its owner only, and leaves none behind if that fails.
func write(path string, fill func(io.Writer) error) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		code := fault.Invalid
		if errors.Is(err, os.ErrNotExist) {
			code = fault.NotFound
		}
		return 0, &fault.Error{
			Code: code, Summary: "cannot create the archive " + path, Cause: err,
			Hint: "Name another file with --file.",
		}
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := fill(f); err != nil {
		return 0, err
	}
	return f.Seek(0, io.SeekCurrent)
}
