// Package nodeimage carries the node image inside the command line. The directory build assembles it, into
// artifact/<arch>/; the Go command embeds what is there when it compiles, and a plain build, with nothing there,
// gives a program without an image.
package nodeimage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/nodeimage/imagefile"
)

var _ cluster.NodeImage = (*imagefile.File)(nil)

// Embedded returns the node image that this program carries: the one for its own architecture.
func Embedded() (cluster.NodeImage, error) { return find(artifact) }

func find(artifact fs.FS) (cluster.NodeImage, error) {
	dir, err := fs.Sub(artifact, path.Join("artifact", runtime.GOARCH))
	if err != nil {
		return nil, fmt.Errorf("embedded node image: %w", err)
	}
	image, err := imagefile.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{
			Code:    fault.NoImage,
			Summary: "this skiff was built without a node image",
			Hint:    "Build it with 'make build', or name an image that Docker has with --image.",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("embedded node image: %w", err)
	}
	return image, nil
}
