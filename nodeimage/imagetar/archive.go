package imagetar

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// Config is how containers of an image run.
type Config struct {
	Architecture string // as GOARCH
	Entrypoint   []string
	Env          []string
	StopSignal   string
	Labels       map[string]string
}

// Image is an image ready to be written. Make one with [New].
type Image struct {
	// ID is the SHA-256 of the configuration, in hex. The configuration names the layers by their digests,
	// so the ID stands for the whole content.
	ID       string
	config   []byte
	manifest []byte
	layers   []Layer
	platform ociPlatform
}

// New makes an image of layers, lowest first.
func New(config Config, layers ...Layer) (*Image, error) {
	platform := ociPlatform{Architecture: config.Architecture, OS: "linux"}
	created := Epoch.Format("2006-01-02T15:04:05Z")
	doc := ociConfig{
		Created:     created,
		ociPlatform: platform,
		Config: ociRunConfig{
			Env: config.Env, Entrypoint: config.Entrypoint,
			Labels: config.Labels, StopSignal: config.StopSignal,
		},
		RootFS: ociRootFS{Type: "layers"},
	}
	manifest := ociManifest{SchemaVersion: 2, MediaType: mediaTypeManifest}
	for _, layer := range layers {
		doc.RootFS.DiffIDs = append(doc.RootFS.DiffIDs, "sha256:"+layer.Digest)
		doc.History = append(doc.History, ociHistory{Created: created, CreatedBy: "skiff"})
		manifest.Layers = append(manifest.Layers, ociDescriptor{MediaType: mediaTypeLayer, Digest: "sha256:" + layer.Digest, Size: layer.Size})
	}
	image := &Image{layers: layers, platform: platform}
	var err error
	if image.config, err = json.Marshal(doc); err != nil {
		return nil, err
	}
	image.ID = digest(image.config)
	manifest.Config = describe(mediaTypeConfig, image.config)
	if image.manifest, err = json.Marshal(manifest); err != nil {
		return nil, err
	}
	return image, nil
}

// WriteArchive writes the image under a name ("repository:tag"). The archive is an OCI layout with the
// manifest.json of "docker save" beside it: the classic image store reads the one, containerd the other.
// It returns the number of bytes written.
func (i *Image) WriteArchive(w io.Writer, ref string) (int64, error) {
	index, err := i.index(ref)
	if err != nil {
		return 0, err
	}
	legacy, err := i.dockerManifest(ref)
	if err != nil {
		return 0, err
	}
	counted := &countingWriter{w: w}
	tw := tar.NewWriter(counted)
	small := []struct {
		name string
		data []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", index},
		{"manifest.json", legacy},
		{blob(i.ID), i.config},
		{blob(digest(i.manifest)), i.manifest},
	}
	for _, file := range small {
		if err := (entry{typeflag: tar.TypeReg, mode: 0o644, data: file.data}).write(tw, file.name); err != nil {
			return counted.n, fmt.Errorf("write %s: %w", file.name, err)
		}
	}
	written := map[string]bool{}
	for _, layer := range i.layers {
		if written[layer.Digest] {
			continue
		}
		written[layer.Digest] = true
		if err := layer.write(tw); err != nil {
			return counted.n, fmt.Errorf("write layer %s: %w", layer.Digest, err)
		}
	}
	err = tw.Close()
	return counted.n, err
}

// write writes the layer as a file of the archive. A file that changed since it was measured is an error.
func (l Layer) write(tw *tar.Writer) error {
	header := entry{typeflag: tar.TypeReg, mode: 0o644}.header(blob(l.Digest))
	header.Size = l.Size
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	hash := sha256.New()
	if _, err := l.tree.WriteTo(io.MultiWriter(tw, hash)); err != nil {
		return err
	}
	if now := hex.EncodeToString(hash.Sum(nil)); now != l.Digest {
		return fmt.Errorf("its files changed while the image was written: the digest is now %s", now)
	}
	return nil
}

func (i *Image) index(ref string) ([]byte, error) {
	full, tag, err := names(ref)
	if err != nil {
		return nil, err
	}
	manifest := describe(mediaTypeManifest, i.manifest)
	manifest.Platform = &i.platform
	manifest.Annotations = map[string]string{"io.containerd.image.name": full, "org.opencontainers.image.ref.name": tag}
	return json.Marshal(ociIndex{SchemaVersion: 2, MediaType: mediaTypeIndex, Manifests: []ociDescriptor{manifest}})
}

func (i *Image) dockerManifest(ref string) ([]byte, error) {
	doc := dockerImage{Config: blob(i.ID), RepoTags: []string{ref}}
	for _, layer := range i.layers {
		doc.Layers = append(doc.Layers, blob(layer.Digest))
	}
	return json.Marshal([]dockerImage{doc})
}

func describe(mediaType string, data []byte) ociDescriptor {
	return ociDescriptor{MediaType: mediaType, Digest: "sha256:" + digest(data), Size: int64(len(data))}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func blob(digest string) string { return "blobs/sha256/" + digest }
