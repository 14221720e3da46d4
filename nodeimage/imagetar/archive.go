package imagetar

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Config is how containers of an image run.
type Config struct {
	Architecture string // as GOARCH
	Entrypoint   []string
	Env          []string
	StopSignal   string
	WorkingDir   string
	Labels       map[string]string
}

// Layer is a layer written to a file of this machine.
type Layer struct {
	Path   string
	Size   int64
	Digest string // SHA-256 of the uncompressed tar stream, in hex
}

// WriteLayer writes a tree to a file.
func WriteLayer(file string, tree *Tree) (Layer, error) {
	out, err := os.Create(file)
	if err != nil {
		return Layer{}, err
	}
	defer out.Close()
	hash := sha256.New()
	size, err := tree.WriteTo(io.MultiWriter(out, hash))
	if err != nil {
		return Layer{}, err
	}
	return Layer{Path: file, Size: size, Digest: hex.EncodeToString(hash.Sum(nil))}, out.Close()
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

// Media types and field names are those of the OCI image specification.
type (
	ociPlatform struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	ociDescriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int64             `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
		Platform    *ociPlatform      `json:"platform,omitempty"`
	}
	ociManifest struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		Config        ociDescriptor   `json:"config"`
		Layers        []ociDescriptor `json:"layers"`
	}
	ociIndex struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		Manifests     []ociDescriptor `json:"manifests"`
	}
	ociConfig struct {
		Created string `json:"created"`
		ociPlatform
		Config ociRunConfig `json:"config"`
		RootFS ociRootFS    `json:"rootfs"`
		// History holds one entry per layer; engines show it and some refuse an image without.
		History []ociHistory `json:"history"`
	}
	ociRunConfig struct {
		Env        []string          `json:"Env,omitempty"`
		Entrypoint []string          `json:"Entrypoint,omitempty"`
		WorkingDir string            `json:"WorkingDir,omitempty"`
		Labels     map[string]string `json:"Labels,omitempty"`
		StopSignal string            `json:"StopSignal,omitempty"`
	}
	ociRootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	ociHistory struct {
		Created   string `json:"created"`
		CreatedBy string `json:"created_by"`
	}
)

const (
	mediaTypeIndex    = "application/vnd.oci.image.index.v1+json"
	mediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaTypeConfig   = "application/vnd.oci.image.config.v1+json"
	mediaTypeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// New makes an image of layers, lowest first.
func New(config Config, layers ...Layer) (*Image, error) {
	platform := ociPlatform{Architecture: config.Architecture, OS: "linux"}
	created := Epoch.Format("2006-01-02T15:04:05Z")
	doc := ociConfig{
		Created:     created,
		ociPlatform: platform,
		Config: ociRunConfig{
			Env: config.Env, Entrypoint: config.Entrypoint, WorkingDir: config.WorkingDir,
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
		if err := (entry{typeflag: tar.TypeReg, mode: 0o644, source: layer.Path}).write(tw, blob(layer.Digest)); err != nil {
			return counted.n, fmt.Errorf("write layer %s: %w", layer.Path, err)
		}
	}
	err = tw.Close()
	return counted.n, err
}

func (i *Image) index(ref string) ([]byte, error) {
	manifest := describe(mediaTypeManifest, i.manifest)
	manifest.Platform = &i.platform
	manifest.Annotations = map[string]string{"io.containerd.image.name": Normalize(ref), "org.opencontainers.image.ref.name": tag(ref)}
	return json.Marshal(ociIndex{SchemaVersion: 2, MediaType: mediaTypeIndex, Manifests: []ociDescriptor{manifest}})
}

func (i *Image) dockerManifest(ref string) ([]byte, error) {
	type item struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	doc := item{Config: blob(i.ID), RepoTags: []string{ref}}
	for _, layer := range i.layers {
		doc.Layers = append(doc.Layers, blob(layer.Digest))
	}
	return json.Marshal([]item{doc})
}

func describe(mediaType string, data []byte) ociDescriptor {
	return ociDescriptor{MediaType: mediaType, Digest: "sha256:" + digest(data), Size: int64(len(data))}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func blob(digest string) string { return "blobs/sha256/" + digest }
