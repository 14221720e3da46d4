package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Observe looks at the host. It never fails: what cannot be seen is a finding. carried is the node image of this
// program, "" if it has none.
func Observe(ctx context.Context, connect func(context.Context) (cluster.Engine, error), carried string) Host {
	engine, err := connect(ctx)
	if err != nil {
		return Host{EngineError: err}
	}
	info, err := engine.Info(ctx)
	if err != nil {
		return Host{EngineError: err}
	}
	h := Host{Engine: &info}
	if isThisKernel(info) {
		h.Kernel = readKernel(info)
	}
	h.Unused, h.UnusedError = unusedImages(ctx, engine, carried)
	return h
}

// unusedImages finds the node images of other versions, of which each leaves one behind. An image that has a name
// of the user's too is the user's.
func unusedImages(ctx context.Context, engine cluster.Engine, carried string) ([]cluster.Image, error) {
	images, err := engine.Images(ctx, nodeapi.LabelContract)
	if err != nil {
		return nil, err
	}
	containers, err := engine.Containers(ctx, "") // a node image may be used for something else than a node
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(images, func(i cluster.Image) bool {
		foreign := func(tag string) bool { return tag == carried || !strings.HasPrefix(tag, nodeapi.ImageRepository+":") }
		if len(i.Tags) == 0 || slices.ContainsFunc(i.Tags, foreign) {
			return true
		}
		return slices.ContainsFunc(containers, func(c cluster.Container) bool {
			return c.ImageID == i.ID || slices.Contains(i.Tags, c.Image)
		})
	}), nil
}
