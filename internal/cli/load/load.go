// Package load is `skiff load`.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Options of the command.
type Options struct {
	*kit.Deps
	Images  []string
	Archive string
	Nodes   []string
}

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	cmd := &cobra.Command{
		Use:   "load IMAGE...",
		Short: "Load images from Docker, or from an archive, into a cluster",
		Long: `Load images of the host's Docker into the nodes of a cluster, so that pods find them without a registry.
Nothing is written to disk on the way, and an image that a node has already is skipped. An archive may be compressed
with gzip or zstd; all images in it that can run on the node are loaded, and named when it is done. If one of them
cannot be loaded, none is, and the node keeps what it had.

A pod whose image has the tag 'latest' still asks a registry, unless it says imagePullPolicy: IfNotPresent.`,
		Example: `  skiff load my-app:dev
  skiff load --archive images.tar
  docker save my-app:dev | skiff --cluster demo load --archive -`,
		ValidArgsFunction: deps.CompleteImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Images = args
			switch {
			case o.Archive == "" && len(args) == 0:
				return kit.UsageError(cmd, "the image is missing")
			case slices.Contains(args, ""):
				return kit.UsageError(cmd, "the name of an image is empty")
			case o.Archive != "" && len(args) > 0:
				return kit.UsageError(cmd, "--archive and images exclude each other")
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Archive, "archive", "", "load from this `file`, as 'docker save' makes it; - is standard input")
	f.StringSliceVar(&o.Nodes, "node", nil, "`nodes` to load into (default: all)")
	_ = cmd.RegisterFlagCompletionFunc("node", func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return deps.CompleteNodes(cmd, nil, word)
	})
	return cmd
}

func run(ctx context.Context, o *Options) error {
	var archive io.Reader
	var size int64
	if o.Archive != "" {
		f, n, err := open(o)
		if err != nil {
			return err
		}
		defer f.Close()
		archive, size = f, n
	}
	renderer := o.Renderer()
	defer renderer.Close()
	service, err := o.Service(ctx, renderer)
	if err != nil {
		return err
	}
	loaded := o.Images
	if archive != nil {
		loaded, err = service.LoadArchive(ctx, o.Flags.Cluster, o.Nodes, archive, size)
	} else {
		err = service.Load(ctx, o.Flags.Cluster, o.Nodes, o.Images)
	}
	if err != nil {
		return err
	}
	renderer.Close()
	if o.JSON() {
		return o.PrintJSON(result{o.Flags.Cluster, loaded, o.Archive})
	}
	return nil
}

// result is what --output json prints.
type result struct {
	Cluster string   `json:"cluster"`
	Images  []string `json:"images"`
	Archive string   `json:"archive,omitempty"`
}

// open opens the archive and says how large it is, 0 if that cannot be known.
func open(o *Options) (io.ReadCloser, int64, error) {
	if o.Archive == "-" {
		if kit.IsTerminal(o.In) {
			return nil, 0, &fault.Error{
				Code: fault.Usage, Summary: "standard input is a terminal, not an archive",
				Hint: "Pipe one in: 'docker save IMAGE | skiff load --archive -'.",
			}
		}
		return io.NopCloser(o.In), 0, nil
	}
	f, err := os.Open(o.Archive)
	if err != nil {
		code := fault.Invalid
		if errors.Is(err, fs.ErrNotExist) {
			code = fault.NotFound
		}
		return nil, 0, &fault.Error{
			Code: code, Summary: fmt.Sprintf("cannot read the archive %s", o.Archive), Cause: err,
			Hint: fmt.Sprintf("Make one with 'docker save -o %s IMAGE'.", o.Archive),
		}
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return nil, 0, errors.Join(f.Close(), &fault.Error{
			Code: fault.Invalid, Summary: fmt.Sprintf("%s is a directory, not an archive", o.Archive),
			Hint: "Make an archive with 'docker save -o FILE IMAGE', or of an OCI layout with 'tar -cf FILE -C DIRECTORY .'.",
		})
	}
	if err != nil || !info.Mode().IsRegular() {
		return f, 0, nil // a pipe has no size
	}
	return f, info.Size(), nil
}
