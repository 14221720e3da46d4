package main

import (
	"encoding/json"
	"path/filepath"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/nodeimage/imagefile"
	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// idLength is the number of hex digits of the image's ID in its name: enough that no two images share one.
const idLength = 16

// pack makes an image of the layers and writes it into the artifact's directory, unless it is there already.
func (b *builder) pack(trees ...*imagetar.Tree) error {
	layers := make([]imagetar.Layer, len(trees))
	for i, tree := range trees {
		var err error
		if layers[i], err = imagetar.NewLayer(tree); err != nil {
			return err
		}
	}
	versions, err := json.Marshal(b.versions)
	if err != nil {
		return err
	}
	labels := map[string]string{
		nodeapi.LabelKubernetes: b.kubernetes.Version,
		nodeapi.LabelVersion:    b.version,
		nodeapi.LabelContract:   nodeapi.ContractVersion,
		nodeapi.LabelVersions:   string(versions),
	}
	image, err := imagetar.New(imagetar.Config{
		Architecture: b.arch,
		Entrypoint:   []string{nodeapi.NodeBinary},
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		StopSignal:   "SIGTERM",
		Labels:       labels,
	}, layers...)
	if err != nil {
		return err
	}
	description := imagefile.Description{
		Ref:          nodeapi.ImageRepository + ":" + image.ID[:idLength],
		Architecture: b.arch,
		Labels:       labels,
	}
	// The stamp is not kept beside the archive: what is there is embedded.
	stamp := filepath.Join(b.cache, "packed")
	inputs := image.ID + " quick"
	if best := image.ID + " best"; b.best || isStamped(stamp, best) {
		inputs = best // good enough for either
	}
	return stamped(filepath.Join(b.artifact, imagefile.ArchiveName), stamp, inputs, func() error {
		progress("packing %s", description.Ref)
		return imagefile.Write(b.artifact, image, description, b.best)
	})
}
