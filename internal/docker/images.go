package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// platformAPI is the first API that can save one platform of an image and tell which ones are there.
const platformAPI = "1.48"

// Image implements cluster.ImageStore.
func (e *Engine) Image(ctx context.Context, ref string) (cluster.Image, error) {
	c, err := e.api(ctx)
	if err != nil {
		return cluster.Image{}, err
	}
	i, err := c.ImageInspect(ctx, ref)
	if err != nil {
		return cluster.Image{}, e.explain("inspect image "+ref, err)
	}
	found := cluster.Image{ID: i.ID, Tags: i.RepoTags, Digests: i.RepoDigests, Architecture: i.Architecture, OS: i.Os,
		Size: i.Size, Layers: i.RootFS.Layers}
	if i.Config != nil {
		found.Labels = i.Config.Labels
	}
	return found, nil
}

// Images implements cluster.ImageStore.
func (e *Engine) Images(ctx context.Context, label string) ([]cluster.Image, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	found, err := c.ImageList(ctx, image.ListOptions{Filters: byLabel(label)})
	if err != nil {
		return nil, e.explain("list images", err)
	}
	list := make([]cluster.Image, 0, len(found))
	for _, i := range found {
		list = append(list, cluster.Image{ID: i.ID, Tags: withoutNone(i.RepoTags), Digests: withoutNone(i.RepoDigests), Labels: i.Labels, Size: i.Size})
	}
	return list, nil
}

// withoutNone drops the placeholders that older engines list for an image without a name.
func withoutNone(refs []string) []string {
	return slices.DeleteFunc(refs, func(ref string) bool { return strings.HasPrefix(ref, "<none>") })
}

// LoadImage implements cluster.ImageStore.
func (e *Engine) LoadImage(ctx context.Context, tar io.Reader) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	body := &source{r: tar}
	resp, err := c.ImageLoad(ctx, body, client.ImageLoadWithQuiet(true))
	if err != nil {
		return e.explainUpload("load image", body, err)
	}
	defer resp.Body.Close()
	return e.explainUpload("load image", body, streamError(resp.Body))
}

// streamError reads Docker's stream of JSON messages to its end and returns the error among them: by the time
// something fails, the status of the answer has long been sent.
func streamError(r io.Reader) error {
	for d := json.NewDecoder(r); ; {
		var message struct {
			Error       string `json:"error"`
			ErrorDetail struct {
				Message string `json:"message"`
			} `json:"errorDetail"`
		}
		err := d.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case message.ErrorDetail.Message != "":
			return errors.New(daemonPrefix + message.ErrorDetail.Message)
		case message.Error != "":
			return errors.New(daemonPrefix + message.Error)
		}
	}
}

// SaveImages implements cluster.ImageStore.
func (e *Engine) SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	op := "save " + strings.Join(refs, " ")
	var options []client.ImageSaveOption
	if !versions.LessThan(c.ClientVersion(), platformAPI) {
		platform, err := e.presentPlatform(ctx, refs)
		if err != nil {
			return nil, e.explain(op, err)
		}
		if platform != nil {
			options = append(options, client.ImageSaveWithPlatforms(*platform))
		}
	}
	r, err := c.ImageSave(ctx, refs, options...)
	if err != nil {
		return nil, e.explain(op, err)
	}
	return r, nil
}

// presentPlatform chooses the platform to save of images that may have several. With the containerd image store
// an image is usually an index of many platforms of which one was pulled; saved whole, it names content that is
// not in the archive, and importing it fails. nil: save the images whole, because none has several platforms, or
// because they have no platform in common.
func (e *Engine) presentPlatform(ctx context.Context, refs []string) (*ocispec.Platform, error) {
	info, err := e.daemonInfo(ctx)
	if err != nil {
		return nil, err
	}
	var chosen *ocispec.Platform
	for _, ref := range refs {
		inspected, err := e.client.ImageInspect(ctx, ref, client.ImageInspectWithManifests(true))
		if err != nil {
			return nil, err
		}
		p := choosePlatform(inspected.Manifests, info.OSType, goArch(info.Architecture))
		switch {
		case p == nil:
		case chosen == nil:
			chosen = p
		case chosen.OS != p.OS || chosen.Architecture != p.Architecture || chosen.Variant != p.Variant:
			return nil, nil
		}
	}
	return chosen, nil
}

// choosePlatform returns the engine's own platform if an image's content for it is there, else another one that
// is there, and nil if the image has a single platform or the store does not say.
func choosePlatform(manifests []image.ManifestSummary, os, arch string) *ocispec.Platform {
	var present []ocispec.Platform
	images := 0
	for _, m := range manifests {
		if m.Kind != image.ManifestKindImage || m.ImageData == nil {
			continue
		}
		images++
		if m.Available {
			present = append(present, m.ImageData.Platform)
		}
	}
	if images < 2 || len(present) == 0 {
		return nil
	}
	for _, p := range present {
		if p.OS == os && p.Architecture == arch {
			return &p
		}
	}
	return &present[0]
}

// RemoveImage implements cluster.ImageStore.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	_, err = c.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	return e.explain("remove image "+ref, err)
}
