package imagetar

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample is a tree whose file lies in a directory of its own, as in a build somewhere else at another time.
func sample(t *testing.T) *Tree {
	t.Helper()
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	var tree Tree
	tree.File("/usr/bin/program", source, 0o755)
	tree.Symlink("bin", "usr/bin")
	tree.Dir("/tmp", 0o1777)
	tree.Data("/etc/passwd", []byte("root:x:0:0::/root:/bin/sh\n"), 0o644)
	tree.Data("/etc-file", nil, 0o644)
	return &tree
}

func TestTreeIsSortedAndOwnedByRoot(t *testing.T) {
	var stream bytes.Buffer
	if _, err := sample(t).WriteTo(&stream); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&stream); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || !header.ModTime.Equal(Epoch) {
			t.Errorf("%s is owned by %d:%d, dated %v", header.Name, header.Uid, header.Gid, header.ModTime)
		}
		got = append(got, header.FileInfo().Mode().String()+" "+header.Name)
	}
	want := []string{
		"Lrwxrwxrwx bin",
		"drwxr-xr-x etc/",
		"-rw-r--r-- etc/passwd",
		"-rw-r--r-- etc-file",
		"dtrwxrwxrwx tmp/",
		"drwxr-xr-x usr/",
		"drwxr-xr-x usr/bin/",
		"-rwxr-xr-x usr/bin/program",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func archive(t *testing.T, ref string, trees ...*Tree) []byte {
	t.Helper()
	var layers []Layer
	for _, tree := range trees {
		layer, err := NewLayer(tree)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, layer)
	}
	image, err := New(Config{Architecture: "amd64", Labels: map[string]string{"b": "2", "a": "1"}}, layers...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n, err := image.WriteArchive(&out, ref)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(out.Len()) {
		t.Errorf("said %d bytes, wrote %d", n, out.Len())
	}
	return out.Bytes()
}

func TestArchiveIsReproducible(t *testing.T) {
	if !bytes.Equal(archive(t, "name:1", sample(t)), archive(t, "name:1", sample(t))) {
		t.Error("the same files in two places gave different archives")
	}
}

// Both descriptions in an archive must name blobs that are there, with the right digests.
func TestArchiveIsWhole(t *testing.T) {
	var upper Tree
	upper.Data("/new", []byte("x"), 0o644)
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive(t, "skiff.dev/name:1", sample(t), &upper))); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		if sum := sha256.Sum256(data); strings.HasPrefix(name, "blobs/") && filepath.Base(name) != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has another digest", name)
		}
	}
	var legacy []dockerImage
	var index ociIndex
	var manifest ociManifest
	decode(t, files["manifest.json"], &legacy)
	decode(t, files["index.json"], &index)
	if got := index.Manifests[0].Annotations["io.containerd.image.name"]; got != "skiff.dev/name:1" {
		t.Errorf("containerd would name it %q", got)
	}
	decode(t, files["blobs/sha256/"+strings.TrimPrefix(index.Manifests[0].Digest, "sha256:")], &manifest)
	if len(manifest.Layers) != 2 || len(legacy[0].Layers) != 2 {
		t.Fatalf("want two layers, got %d and %d", len(manifest.Layers), len(legacy[0].Layers))
	}
	for i, layer := range manifest.Layers {
		name := "blobs/sha256/" + strings.TrimPrefix(layer.Digest, "sha256:")
		if legacy[0].Layers[i] != name || int64(len(files[name])) != layer.Size {
			t.Errorf("layer %d is %s (%d bytes) and %s (%d bytes)", i, legacy[0].Layers[i], len(files[name]), name, layer.Size)
		}
	}
	if legacy[0].Config != "blobs/sha256/"+strings.TrimPrefix(manifest.Config.Digest, "sha256:") || files[legacy[0].Config] == nil {
		t.Errorf("the configuration %s is missing", legacy[0].Config)
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
}

func TestArchiveRefusesFilesThatChanged(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	var tree Tree
	tree.File("/file", source, 0o644)
	if err := os.WriteFile(source, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	layer, err := NewLayer(&tree)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := New(Config{Architecture: "amd64"}, layer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := image.WriteArchive(io.Discard, "name:1"); err == nil {
		t.Error("a file changed after it was measured, and the archive was written all the same")
	}
}

func TestNames(t *testing.T) {
	for ref, want := range map[string]struct{ suffix, tag string }{
		"skiff-node:abc":    {"/library/skiff-node:abc", "abc"},
		"skiff-node":        {"/library/skiff-node:latest", "latest"},
		"skiff.dev/pause:1": {"skiff.dev/pause:1", "1"},
		"localhost:5000/a":  {"localhost:5000/a:latest", "latest"},
	} {
		full, tag, err := names(ref)
		if err != nil || !strings.HasSuffix(full, want.suffix) || tag != want.tag {
			t.Errorf("%s: got %q, %q, %v", ref, full, tag, err)
		}
	}
	if _, _, err := names("No Name"); err == nil {
		t.Error("an invalid name must be refused")
	}
}
