package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// storedImage is an image and the files of its archive.
type storedImage struct {
	cluster.Image
	config []byte
	layers map[string][]byte // by name in the archive
	order  []string
}

// archiveManifest is one entry of manifest.json in a `docker save` archive.
type archiveManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// imageConfig is what is read of an image's configuration.
type imageConfig struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// describe copies an image, because its tags may move later.
func (i *storedImage) describe() cluster.Image {
	image := i.Image
	image.Tags = slices.Clone(image.Tags)
	return image
}

// AddImage puts an image into the store. An ID and the engine's platform are filled in where they are missing.
func (e *Engine) AddImage(image cluster.Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if image.OS == "" {
		image.OS = e.info.OS
	}
	if image.Architecture == "" {
		image.Architecture = e.info.Architecture
	}
	var c imageConfig
	c.Architecture, c.OS, c.Config.Labels, c.RootFS.DiffIDs = image.Architecture, image.OS, image.Labels, image.Layers
	config, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	if image.ID == "" {
		image.ID = fmt.Sprintf("sha256:%x", sha256.Sum256(append(config, strings.Join(image.Tags, " ")...)))
	}
	e.store(&storedImage{Image: image, config: config})
}

// store adds an image; its tags move from the images that had them. The caller holds mu.
func (e *Engine) store(image *storedImage) {
	for _, other := range e.images {
		other.Tags = slices.DeleteFunc(other.Tags, func(t string) bool { return slices.Contains(image.Tags, t) })
	}
	for _, other := range e.images {
		if other.ID == image.ID {
			other.Tags = append(other.Tags, image.Tags...)
			return
		}
	}
	e.images = append(e.images, image)
}

// findImage finds an image by tag or ID; nil if there is none. The caller holds mu.
func (e *Engine) findImage(ref string) *storedImage {
	tag := ref
	if !strings.Contains(ref[strings.LastIndex(ref, "/")+1:], ":") {
		tag += ":latest"
	}
	for _, i := range e.images {
		if i.ID == ref || slices.Contains(i.Tags, tag) || slices.Contains(i.Digests, ref) ||
			len(ref) >= 12 && strings.HasPrefix(strings.TrimPrefix(i.ID, "sha256:"), ref) {
			return i
		}
	}
	return nil
}

// Image implements cluster.ImageStore.
func (e *Engine) Image(ctx context.Context, ref string) (cluster.Image, error) {
	end, err := e.begin(ctx, "Image", ref)
	if err != nil {
		return cluster.Image{}, err
	}
	e.mu.Lock()
	var image cluster.Image
	if i := e.findImage(ref); i != nil {
		image = i.describe()
	} else {
		err = notFound("image", ref)
	}
	e.mu.Unlock()
	return image, end(err)
}

// Images implements cluster.ImageStore.
func (e *Engine) Images(ctx context.Context, label string) ([]cluster.Image, error) {
	end, err := e.begin(ctx, "Images", label)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	var list []cluster.Image
	for _, i := range e.images {
		if hasLabel(i.Labels, label) {
			list = append(list, i.describe())
		}
	}
	e.mu.Unlock()
	return list, end(nil)
}

// LoadImage implements cluster.ImageStore.
func (e *Engine) LoadImage(ctx context.Context, r io.Reader) error {
	end, err := e.begin(ctx, "LoadImage", "")
	if err != nil {
		return err
	}
	return end(e.loadImage(r))
}

func (e *Engine) loadImage(r io.Reader) error {
	files := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("load image: %w", err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			return fmt.Errorf("load image: %w", err)
		}
	}
	var manifests []archiveManifest
	if err := json.Unmarshal(files["manifest.json"], &manifests); err != nil {
		return fmt.Errorf("load image: manifest.json: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range manifests {
		var c imageConfig
		if err := json.Unmarshal(files[m.Config], &c); err != nil {
			return fmt.Errorf("load image: %s: %w", m.Config, err)
		}
		image := &storedImage{config: files[m.Config], layers: map[string][]byte{}, order: m.Layers}
		image.Image = cluster.Image{ID: fmt.Sprintf("sha256:%x", sha256.Sum256(files[m.Config])), Tags: m.RepoTags,
			Labels: c.Config.Labels, Architecture: c.Architecture, OS: c.OS, Layers: c.RootFS.DiffIDs}
		for _, l := range m.Layers {
			image.layers[l] = files[l]
			image.Size += int64(len(files[l]))
		}
		e.store(image)
	}
	return nil
}

// SaveImages implements cluster.ImageStore.
func (e *Engine) SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error) {
	end, err := e.begin(ctx, "SaveImages", strings.Join(refs, " "))
	if err != nil {
		return nil, err
	}
	r, err := e.saveImages(refs)
	if err := end(err); err != nil {
		return nil, err
	}
	return r, nil
}

func (e *Engine) saveImages(refs []string) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	files := map[string][]byte{}
	var manifests []archiveManifest
	for _, ref := range refs {
		image := e.findImage(ref)
		if image == nil {
			return nil, notFound("image", ref)
		}
		config := strings.TrimPrefix(image.ID, "sha256:") + ".json"
		files[config] = image.config
		maps.Copy(files, image.layers)
		m := archiveManifest{Config: config, Layers: image.order}
		if slices.Contains(image.Tags, ref) {
			m.RepoTags = []string{ref}
		}
		manifests = append(manifests, m)
	}
	var err error
	if files["manifest.json"], err = json.Marshal(manifests); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		if _, err := tw.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	return io.NopCloser(&buf), nil
}

// RemoveImage implements cluster.ImageStore.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	end, err := e.begin(ctx, "RemoveImage", ref)
	if err != nil {
		return err
	}
	return end(e.removeImage(ref))
}

func (e *Engine) removeImage(ref string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	image := e.findImage(ref)
	if image == nil {
		return notFound("image", ref)
	}
	if slices.Contains(image.Tags, ref) && len(image.Tags) > 1 {
		image.Tags = slices.DeleteFunc(image.Tags, func(t string) bool { return t == ref })
		return nil
	}
	for _, c := range e.containers {
		if e.findImage(c.spec.Image) == image {
			return conflict("image %s is used by container %s", ref, c.spec.Name)
		}
	}
	e.images = slices.DeleteFunc(e.images, func(i *storedImage) bool { return i == image })
	return nil
}
