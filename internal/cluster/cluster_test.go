package cluster_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

const nodeImageRef = "skiff.dev/node:0123456789ab"

// nodeLabels are those of a good node image.
func nodeLabels() map[string]string {
	return map[string]string{
		nodeapi.LabelContract: nodeapi.ContractVersion, nodeapi.LabelKubernetes: "v1.37.2", nodeapi.LabelVersion: "v0.1.0",
	}
}

// image is a node image in memory.
type image struct {
	ref, architecture string
	labels            map[string]string
	archive           []byte
	openErr           error
}

func newImage(t *testing.T) *image {
	t.Helper()
	i := &image{ref: nodeImageRef, architecture: "amd64", labels: nodeLabels()}
	i.archive = imageArchive(t, i.ref, i.architecture, i.labels)
	return i
}

func (i *image) Ref() string               { return i.ref }
func (i *image) Labels() map[string]string { return i.labels }
func (i *image) Size() int64               { return int64(len(i.archive)) }
func (i *image) Architecture() string      { return i.architecture }
func (i *image) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(i.archive)), i.openErr
}

// imageArchive is an image as `docker save` writes it; ref may be "".
func imageArchive(t *testing.T, ref, architecture string, labels map[string]string) []byte {
	t.Helper()
	config, err := json.Marshal(map[string]any{"architecture": architecture, "os": "linux",
		"config": map[string]any{"Labels": labels}, "rootfs": map[string]any{"diff_ids": []string{"sha256:layer"}}})
	if err != nil {
		t.Fatal(err)
	}
	manifest := map[string]any{"Config": "config.json", "Layers": []string{"layer.tar"}}
	if ref != "" {
		manifest["RepoTags"] = []string{ref}
	}
	manifests, err := json.Marshal([]any{manifest})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name    string
		content []byte
	}{{"config.json", config}, {"layer.tar", bytes.Repeat([]byte("layer"), 1000)}, {"manifest.json", manifests}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// recorder keeps events.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
	on     func(event.Event) // called for each, in order
}

func (r *recorder) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	if r.on != nil {
		r.on(e)
	}
}

// ends are the states of the steps of one kind, with their IDs, progress left out: "image done".
func (r *recorder) states(without ...event.Kind) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, e := range r.events {
		if e.State != event.Progress && !slices.Contains(without, e.Kind) {
			out = append(out, e.ID+" "+string(e.State))
		}
	}
	return out
}

// world is an engine whose containers are nodes, and a service on it.
type world struct {
	*cluster.Service
	engine *dockertest.Engine
	events *recorder
	image  *image
	kube   *kube
}

// kube is a cluster's API that agrees to everything, and remembers it.
type kube struct {
	mu    sync.Mutex
	calls []string
	// cordoned are the nodes that the user keeps new pods away from.
	cordoned map[string]bool
	// on, if not nil, is what a call does.
	on func(ctx context.Context, call string) error
	// interrupted are the nodes that a change which was killed keeps new pods away from.
	interrupted []string
	// silent, if not nil, is why the API does not tell of them.
	silent error
	// since is the time of which the last Settle was told.
	since time.Time
}

func (k *kube) call(ctx context.Context, what, node string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	call := what + " " + node
	k.calls = append(k.calls, call)
	if k.on != nil {
		return k.on(ctx, call)
	}
	return nil
}

func (k *kube) Drain(ctx context.Context, _ *cluster.Credentials, node string, progress func(string)) (cordoned bool, err error) {
	progress("default/a")
	return !k.cordoned[node], k.call(ctx, "drain", node)
}

func (k *kube) Uncordon(ctx context.Context, _ *cluster.Credentials, node string) error {
	return k.call(ctx, "uncordon", node)
}

func (k *kube) Interrupted(context.Context, *cluster.Credentials) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.interrupted, k.silent
}

func (k *kube) DeleteNode(ctx context.Context, _ *cluster.Credentials, node string) error {
	return k.call(ctx, "delete", node)
}

func (k *kube) Settle(ctx context.Context, _ *cluster.Credentials, nodes []string, since time.Time) error {
	k.since = since
	return k.call(ctx, "settle", strings.Join(nodes, " "))
}

// said are the calls so far.
func (k *kube) said() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{engine: dockertest.New(), events: &recorder{}, image: newImage(t), kube: &kube{}}
	fakenode.Install(w.engine)
	w.Service = &cluster.Service{Engine: w.engine, Events: w.events, Version: "v0.1.0", Kube: w.kube,
		Image: func() (cluster.NodeImage, error) { return w.image, nil }}
	t.Cleanup(func() { // what listens must not outlive its test
		for _, name := range w.engine.Objects() {
			if kind, name, _ := strings.Cut(name, " "); kind == "container" {
				w.engine.Kill(name, 137)
			}
		}
	})
	return w
}

// quiet makes the service believe that nothing on the host is in its way, so that a plan depends on the engine
// only. Nothing listens then either.
func (w *world) quiet() *world {
	w.SetHost(func(uint16) bool { return false })
	return w
}

func spec(name string) cluster.Spec { return cluster.Spec{Name: name, Groups: cluster.Groups(1, 0)} }

// mustCreate creates a cluster.
func (w *world) mustCreate(t *testing.T, name string) *cluster.Created {
	t.Helper()
	c, err := w.Create(t.Context(), spec(name), cluster.CreateOptions{})
	if err != nil {
		t.Fatal(describe(err))
	}
	return c
}

// nothingLeft fails if there is a container, network or volume.
func (w *world) nothingLeft(t *testing.T) {
	t.Helper()
	if left := w.engine.Objects(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// wantFault checks the code of an error, and that it says what to do next.
func wantFault(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("not a fault: %v", err)
	}
	if f.Code != code {
		t.Fatalf("code %s, want %s: %s", f.Code, code, describe(err))
	}
	if f.Hint == "" && code != fault.Canceled {
		t.Errorf("no hint: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(describe(err), word) {
			t.Errorf("%q is not in:\n%s", word, describe(err))
		}
	}
}

// describe is all that a user would see of an error, and of those that are joined to it.
func describe(err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var parts []string
		for _, e := range joined.Unwrap() {
			parts = append(parts, describe(e))
		}
		return strings.Join(parts, "\n")
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return fmt.Sprint(err)
	}
	return strings.Join(append([]string{err.Error(), f.Hint}, f.Details...), "\n")
}
