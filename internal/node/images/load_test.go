package images

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.etcd.io/bbolt"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// other is a platform that nothing here runs on.
const other = "s390x"

// image is one of an archive that `docker save` wrote.
type image struct{ name, arch, layer, diffID string }

// archiveOf writes an archive of images; one without a diffID has the right one.
func archiveOf(t *testing.T, all ...image) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name, text string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	asJSON := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var manifests []map[string]any
	for n, i := range all {
		if i.diffID == "" {
			i.diffID = digest.FromString(i.layer).String()
		}
		config, layer := fmt.Sprintf("%d.json", n), fmt.Sprintf("%d/layer.tar", n)
		add(config, asJSON(map[string]any{"os": "linux", "architecture": i.arch, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{i.diffID}}}))
		add(layer, i.layer)
		manifests = append(manifests, map[string]any{"Config": config, "RepoTags": []string{i.name}, "Layers": []string{layer}})
	}
	add("manifest.json", asJSON(manifests))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// node is a store with all of containerd behind it but what writes layers to a file system, which takes root. This
// reads them only, and fails with an error for the layer that says so.
type node struct {
	*Store
	ctx    context.Context
	broken map[string]error
}

func newNode(t *testing.T) *node {
	t.Helper()
	dir := t.TempDir()
	blobs, err := local.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	snapshotter, err := native.NewSnapshotter(filepath.Join(dir, "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := bbolt.Open(filepath.Join(dir, "meta.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	db := metadata.NewDB(file, blobs, map[string]snapshots.Snapshotter{defaults.DefaultSnapshotter: snapshotter})
	n := &node{ctx: namespaces.WithNamespace(t.Context(), namespace), broken: map[string]error{}}
	if err := db.Init(n.ctx); err != nil {
		t.Fatal(err)
	}
	client, err := containerd.New("", containerd.WithDefaultNamespace(namespace), containerd.WithServices(
		containerd.WithContentStore(db.ContentStore()), containerd.WithImageStore(metadata.NewImageStore(db)),
		containerd.WithLeasesService(metadata.NewLeaseManager(db)), containerd.WithSnapshotters(db.Snapshotters()),
		containerd.WithDiffService(n), containerd.WithNamespaceService(noLabels{}),
	))
	if err != nil {
		t.Fatal(err)
	}
	n.Store = &Store{client: client}
	return n
}

// Apply is what unpacks a layer.
func (n *node) Apply(ctx context.Context, desc ocispec.Descriptor, _ []mount.Mount, _ ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	data, err := content.ReadBlob(ctx, n.client.ContentStore(), desc)
	if err == nil {
		err = n.broken[string(data)]
	}
	return ocispec.Descriptor{Digest: digest.FromBytes(data)}, err
}

func (n *node) Compare(context.Context, []mount.Mount, []mount.Mount, ...diff.Opt) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, errors.New("nothing here compares")
}

// noLabels is a namespace without labels.
type noLabels struct{ namespaces.Store }

func (noLabels) Labels(context.Context, string) (map[string]string, error) { return nil, nil }

// images are those that the node has, by name; each must be whole.
func (n *node) images(t *testing.T) map[string]string {
	t.Helper()
	list, err := n.List(n.ctx)
	if err != nil {
		t.Fatal(err)
	}
	names, err := n.client.ListImages(n.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(list) {
		t.Errorf("%d names, and %d images that can be used", len(names), len(list))
	}
	got := map[string]string{}
	for _, i := range list {
		got[familiar(i.Name)] = i.Digest
	}
	return got
}

// familiar is an image's name as people write it.
func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}

// TestLoadFails loads archives that cannot be loaded into a node that has an image of that name already: it stays, and
// no other comes.
func TestLoadFails(t *testing.T) {
	full := errors.New("write /x: no space left on device")
	for _, tc := range []struct {
		name    string
		archive []image
		broken  map[string]error
		damaged bool
		says    string
	}{
		{name: "full disk", archive: []image{{name: "app:1", arch: runtime.GOARCH, layer: "new"}}, broken: map[string]error{"new": full}, says: "library/app:1"},
		{name: "wrong layer", archive: []image{{name: "app:1", arch: runtime.GOARCH, layer: "new", diffID: digest.FromString("x").String()}}, damaged: true, says: "layer 1 is sha256:"},
		{name: "second of two", archive: []image{
			{name: "app:1", arch: runtime.GOARCH, layer: "new"}, {name: "two:1", arch: runtime.GOARCH, layer: "two"},
		}, broken: map[string]error{"two": full}, says: "library/two:1"},
		{name: "first of two", archive: []image{
			{name: "two:1", arch: runtime.GOARCH, layer: "two"}, {name: "app:1", arch: runtime.GOARCH, layer: "new"},
		}, broken: map[string]error{"two": full}, says: "no space left on device"},
		{name: "another platform", archive: []image{{name: "app:1", arch: other, layer: "new"}}, says: "no image of the archive is for this node's platform, linux/" + runtime.GOARCH},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			if _, err := n.Load(n.ctx, archiveOf(t, image{name: "app:1", arch: runtime.GOARCH, layer: "old"})); err != nil {
				t.Fatal(err)
			}
			before := n.images(t)
			n.broken = tc.broken
			_, err := n.Load(n.ctx, archiveOf(t, tc.archive...))
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), nodeapi.DamagedArchive) != tc.damaged {
				t.Errorf("%v", err)
			}
			if after := n.images(t); len(after) != 1 || after["app:1"] != before["app:1"] {
				t.Errorf("%v became %v", before, after)
			}
		})
	}
}

// TestLoad loads what can run here, under a name that another image had.
func TestLoad(t *testing.T) {
	n := newNode(t)
	var name string
	for _, layer := range []string{"old", "new"} {
		names, err := n.Load(n.ctx, archiveOf(t, image{"app:1", runtime.GOARCH, layer, ""}, image{"foreign:1", other, layer, ""}))
		if err != nil || len(names) != 1 || familiar(names[0]) != "app:1" {
			t.Fatalf("%v, %v", names, err)
		}
		name = names[0]
	}
	image, err := n.client.GetImage(n.ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if layers, err := image.RootFS(n.ctx); err != nil || !slices.Equal(layers, []digest.Digest{digest.FromString("new")}) {
		t.Errorf("%v, %v", layers, err)
	}
	if leases, err := n.client.LeasesService().List(n.ctx); err != nil || len(leases) != 0 {
		t.Errorf("a lease stays: %v, %v", leases, err)
	}
	n.images(t)
}
