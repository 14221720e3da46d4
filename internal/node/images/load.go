package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// platform is what runs here.
var platform = platforms.Default()

// Load imports an archive as `docker save` or an OCI tool writes it, and returns the names of those images in it that
// can run here; those of other platforms are left out. An image gets its name when its layers are there, and none gets
// one if another of the archive fails: what had the names before stays.
func (s *Store) Load(ctx context.Context, archive io.Reader) ([]string, error) {
	return s.load(ctx, archive, nil)
}

func (s *Store) load(ctx context.Context, file io.Reader, labels map[string]string) (names []string, err error) {
	// Until it is named, only a lease keeps an image from containerd's garbage collection.
	ctx, release, err := s.client.WithLease(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	found, err := s.read(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("import the archive: %w", err)
	}
	var here []images.Image
	for _, i := range found {
		if s.runsHere(ctx, i.Target) {
			i.Labels = labels
			here = append(here, i)
		}
	}
	if len(here) == 0 {
		return nil, fmt.Errorf("%s, %s", nodeapi.OtherPlatform, platforms.Format(platforms.DefaultSpec()))
	}
	for _, i := range here {
		if err := s.unpack(ctx, i); err != nil {
			return nil, err
		}
	}
	for _, i := range here {
		if err := s.name(ctx, i); err != nil {
			return nil, err
		}
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names, nil
}

// read stores what is in an archive, and returns the images that it names.
func (s *Store) read(ctx context.Context, file io.Reader) ([]images.Image, error) {
	store := s.client.ContentStore()
	desc, err := archive.ImportIndex(ctx, store, file)
	if err != nil {
		return nil, err
	}
	data, err := content.ReadBlob(ctx, store, desc)
	if err != nil {
		return nil, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, err
	}
	var found []images.Image
	for _, m := range index.Manifests {
		name := m.Annotations[images.AnnotationImageName] // Docker's; others write only what OCI knows
		if name == "" {
			name = m.Annotations[ocispec.AnnotationRefName]
		}
		if name != "" {
			found = append(found, images.Image{Name: name, Target: m})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("it names no image: save it by name, not by ID")
	}
	return found, nil
}

// runsHere says if an image has something for this platform. What an index names and the archive does not hold belongs
// to a platform that its maker did not have either.
func (s *Store) runsHere(ctx context.Context, target ocispec.Descriptor) bool {
	if target.Platform != nil && !platform.Match(*target.Platform) {
		return false
	}
	_, err := images.Manifest(ctx, s.client.ContentStore(), target, platform)
	return !images.IsIndexType(target.MediaType) || !errdefs.IsNotFound(err) // all else that is wrong is told by unpack
}

// unpack makes an image's layers, and keeps its content as long as it has a name.
func (s *Store) unpack(ctx context.Context, i images.Image) error {
	store := s.client.ContentStore()
	children := images.HandlerFunc(func(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		children, err := images.Children(ctx, store, desc)
		if errdefs.IsNotFound(err) {
			return nil, images.ErrSkipDesc // see runsHere
		}
		return children, err
	})
	err := images.Walk(ctx, images.SetChildrenLabels(store, images.FilterPlatforms(children, platform)), i.Target)
	if err == nil {
		err = containerd.NewImage(s.client, i).Unpack(ctx, "")
	}
	if err == nil {
		return nil
	}
	if damage := damaged(ctx, store, i); damage != nil {
		return fmt.Errorf("%s: image %s: %w", nodeapi.DamagedArchive, i.Name, damage)
	}
	return fmt.Errorf("unpack %s: %w", i.Name, err)
}

// damaged says what is wrong with an image that could not be unpacked: all of it must be there, and every layer what
// the configuration says. If nothing is, the fault is the node's, as when its disk is full.
func damaged(ctx context.Context, store content.Store, i images.Image) error {
	err := check(ctx, store, i)
	if ctx.Err() != nil || errdefs.IsUnavailable(err) {
		return nil // nobody answered
	}
	return err
}

func check(ctx context.Context, store content.Store, i images.Image) error {
	manifest, err := images.Manifest(ctx, store, i.Target, platform)
	if err != nil {
		return err
	}
	want, err := images.RootFS(ctx, store, manifest.Config)
	if err != nil {
		return err
	}
	layers := slices.DeleteFunc(manifest.Layers, func(l ocispec.Descriptor) bool { return !images.IsLayerType(l.MediaType) })
	if len(layers) != len(want) {
		return fmt.Errorf("it has %d layers, and its configuration speaks of %d", len(layers), len(want))
	}
	for n, layer := range layers {
		got, err := uncompressed(ctx, store, layer)
		if err != nil {
			return fmt.Errorf("layer %d: %w", n+1, err)
		}
		if got != want[n] {
			return fmt.Errorf("layer %d is %s, and should be %s", n+1, got, want[n])
		}
	}
	return nil
}

// uncompressed is the digest of what is in a layer.
func uncompressed(ctx context.Context, store content.Store, layer ocispec.Descriptor) (digest.Digest, error) {
	blob, err := store.ReaderAt(ctx, layer)
	if err != nil {
		return "", err
	}
	defer blob.Close()
	stream, err := compression.DecompressStream(content.NewReader(blob))
	if err != nil {
		return "", err
	}
	defer stream.Close()
	return digest.FromReader(stream)
}

// name gives an image its name, and takes it from the one that had it.
func (s *Store) name(ctx context.Context, i images.Image) error {
	fields := []string{"target"}
	if i.Labels != nil {
		fields = append(fields, "labels")
	}
	_, err := s.client.ImageService().Update(ctx, i, fields...)
	if errdefs.IsNotFound(err) {
		_, err = s.client.ImageService().Create(ctx, i)
	}
	if err != nil {
		return fmt.Errorf("name %s: %w", i.Name, err)
	}
	return nil
}
