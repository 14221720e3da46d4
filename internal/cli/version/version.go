// Package version is `skiff version`.
package version

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/version"
)

// Options of the command.
type Options struct{ *kit.Deps }

// NewCmd returns the command.
func NewCmd(deps *kit.Deps) *cobra.Command {
	o := &Options{Deps: deps}
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions of skiff and of the Kubernetes it carries",
		Long: `Show the versions of skiff and of the node image it carries; with --output json, those of everything in the image.
Docker is not asked; what runs in a cluster is in 'skiff status --output json'.`,
		Example: `  skiff version
  skiff version --output json`,
		Args: kit.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
}

// result is what --output json prints.
type result struct {
	version.Info
	NodeImage  string `json:"nodeImage,omitempty"`
	Kubernetes string `json:"kubernetes,omitempty"`
	// Contents are the versions of everything in the node image, by name.
	Contents map[string]string `json:"contents,omitempty"`
}

// shown are the contents that text names: the rest is for programs.
var shown = []string{"etcd", "containerd", "runc", "coredns"}

func run(_ context.Context, o *Options) error {
	r := result{Info: version.Get()}
	// A program that was built without a node image is a whole program in all other respects.
	if image, err := o.Image(); err == nil {
		r.NodeImage, r.Kubernetes = image.Ref(), image.Labels()[nodeapi.LabelKubernetes]
		if r.Contents, err = contents(image.Labels()); err != nil {
			return err
		}
	}
	if o.JSON() {
		return o.PrintJSON(r)
	}
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(o.Out, "%-12s %s\n", name, value)
		}
	}
	line("skiff", r.Version)
	line("commit", r.Commit)
	line("built with", r.Go+" for "+r.Platform)
	if r.NodeImage == "" {
		r.NodeImage = "none"
	}
	line("node image", r.NodeImage)
	line("kubernetes", r.Kubernetes)
	var with []string
	for _, name := range shown {
		if v := r.Contents[name]; v != "" {
			with = append(with, name+" "+v)
		}
	}
	line("with", strings.Join(with, ", "))
	return nil
}

// contents reads the versions that a node image is labelled with. One that has no such label says nothing of them.
func contents(labels map[string]string) (map[string]string, error) {
	text := labels[nodeapi.LabelVersions]
	if text == "" {
		return nil, nil
	}
	var versions map[string]string
	if err := json.Unmarshal([]byte(text), &versions); err != nil {
		return nil, fmt.Errorf("the label %s of the node image: %w", nodeapi.LabelVersions, err)
	}
	return versions, nil
}
