package cluster_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// nodeHas says which images a node has, by the last part of their names.
func (w *world) nodeHas(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := w.Shell(t.Context(), "demo", "", cluster.ExecSpec{Cmd: []string{"/usr/bin/skiff-node", "images"}, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestLoad(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	w.engine.AddImage(cluster.Image{Tags: []string{"app:dev"}, Size: 100})
	w.engine.AddImage(cluster.Image{Tags: []string{"example.org/team/other:1"}, Size: 100})
	w.events.events = nil
	if err := w.Load(t.Context(), "demo", nil, []string{"app:dev"}); err != nil {
		t.Fatal(describe(err))
	}
	if has := w.nodeHas(t); !strings.Contains(has, "/library/app:dev\"") {
		t.Errorf("the node has %s", has)
	}
	if told, want := w.events.states(), []string{"load/app:dev started", "load/app:dev done"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	progress := slices.IndexFunc(w.events.events, func(e event.Event) bool { return e.State == event.Progress && e.Unit == "bytes" && e.Done > 0 })
	if progress < 0 {
		t.Error("no progress was told")
	}

	// Again: only what is new travels, whatever name it is asked for by.
	w.events.events = nil
	image, err := w.engine.Image(t.Context(), "app:dev")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Load(t.Context(), "demo", nil, []string{image.ID, "example.org/team/other:1"}); err != nil {
		t.Fatal(describe(err))
	}
	if told, want := w.events.states(), []string{"load/app:dev skipped", "load/example.org/team/other:1 started", "load/example.org/team/other:1 done"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	saves := w.engine.Count("SaveImages")
	if err := w.Load(t.Context(), "demo", []string{"server-1"}, []string{"app:dev", "example.org/team/other:1"}); err != nil {
		t.Fatal(describe(err))
	}
	if w.engine.Count("SaveImages") != saves {
		t.Error("images that the node has were saved")
	}

	// The tag moves to another image: that one is new.
	w.engine.AddImage(cluster.Image{Tags: []string{"app:dev"}, Layers: []string{"sha256:new"}})
	if err := w.Load(t.Context(), "demo", nil, []string{"app:dev"}); err != nil {
		t.Fatal(describe(err))
	}
	if w.engine.Count("SaveImages") != saves+1 {
		t.Error("an image that changed was not loaded")
	}
}

func TestLoadRefuses(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	w.engine.AddImage(cluster.Image{ID: "sha256:0123456789abcdef"})
	w.engine.AddImage(cluster.Image{Tags: []string{"app:dev"}})
	for _, tc := range []struct {
		image, node string
		code        fault.Code
		words       []string
	}{
		{image: "app", code: fault.NotFound, words: []string{"docker images", "docker pull app"}}, // app:latest is another
		{image: "sha256:0123456789abcdef", code: fault.Invalid, words: []string{"docker tag"}},
		{image: "app:dev", node: "agent-7", code: fault.NotFound, words: []string{demoNode}},
	} {
		var nodes []string
		if tc.node != "" {
			nodes = []string{tc.node}
		}
		wantFault(t, w.Load(t.Context(), "demo", nodes, []string{"app:dev", tc.image}), tc.code, tc.words...)
	}
	if w.engine.Count("SaveImages") != 0 {
		t.Error("something was sent")
	}
	wantFault(t, w.Load(t.Context(), "other", nil, []string{"app:dev"}), fault.NotFound)
	w.engine.Kill(demoNode, 0)
	wantFault(t, w.Load(t.Context(), "demo", nil, []string{"app:dev"}), fault.NotReady, "skiff start demo")
}

// TestLoadFails breaks the transfer at each of its ends.
func TestLoadFails(t *testing.T) {
	why := errors.New("the cable was cut")
	node := func(answer func(cluster.ExecSpec) (int, error)) dockertest.ExecFunc {
		return func(_ context.Context, _ *dockertest.Process, spec cluster.ExecSpec) (int, error) {
			if spec.Cmd[1] == "images" {
				_, err := fmt.Fprintln(spec.Stdout, "[]")
				return 0, err
			}
			return answer(spec)
		}
	}
	for _, tc := range []struct {
		name  string
		exec  dockertest.ExecFunc
		world func(*world)
		code  fault.Code
		words []string
	}{
		{name: "saving", world: func(w *world) { w.engine.Fail("SaveImages", 1, why) }, code: fault.Internal, words: []string{why.Error()}},
		{name: "node stops reading", code: fault.NodeFailed, words: []string{"unexpected layer"}, exec: node(func(spec cluster.ExecSpec) (int, error) {
			fmt.Fprintln(spec.Stderr, "reading\nskiff-node: unexpected layer")
			return 1, nil
		})},
		{name: "an image for other machines", code: fault.Invalid, words: []string{"linux/amd64", "docker pull --platform"}, exec: node(func(spec cluster.ExecSpec) (int, error) {
			fmt.Fprintln(spec.Stderr, "skiff-node: "+nodeapi.OtherPlatform+", linux/amd64")
			return 1, nil
		})},
		{name: "node's disk is full", code: fault.NoSpace, words: []string{"docker system df"}, exec: node(func(spec cluster.ExecSpec) (int, error) {
			fmt.Fprintln(spec.Stderr, "skiff-node: write: no space left on device")
			return 1, nil
		})},
		{name: "engine", code: fault.Internal, words: []string{why.Error()}, exec: node(func(cluster.ExecSpec) (int, error) { return 0, why })},
		{name: "node is silent", code: fault.Internal, words: []string{demoNode}, exec: node(func(spec cluster.ExecSpec) (int, error) {
			_, err := io.Copy(io.Discard, spec.Stdin)
			return 0, err
		})},
		{name: "list of images", code: fault.NodeFailed, words: []string{"images"}, exec: func(context.Context, *dockertest.Process, cluster.ExecSpec) (int, error) { return 2, nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustCreate(t, "demo")
			w.engine.AddImage(cluster.Image{Tags: []string{"app:dev"}})
			if tc.exec != nil {
				w.engine.OnExec(tc.exec)
			}
			if tc.world != nil {
				tc.world(w)
			}
			err := w.Load(t.Context(), "demo", nil, []string{"app:dev"})
			if err == nil || fault.CodeOf(err) != tc.code {
				t.Fatalf("code %s: %v", fault.CodeOf(err), err)
			}
			for _, word := range tc.words {
				if !strings.Contains(describe(err), word) {
					t.Errorf("%q is not in %s", word, describe(err))
				}
			}
		})
	}
}

func TestLoadIsCancelled(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	ctx, cancel := context.WithCancel(t.Context())
	r, writer := io.Pipe() // an archive that never ends
	defer writer.Close()
	go func() {
		_, _ = writer.Write(imageArchive(t, "app:dev", "amd64", nil)[:2000])
		cancel()
	}()
	_, err := w.LoadArchive(ctx, "demo", nil, r, 0)
	wantFault(t, err, fault.Canceled)
}

// sources are the ways in which an archive may come: as a file, which can be looked through before, and as a stream.
var sources = map[string]func([]byte) io.Reader{
	"file":   func(content []byte) io.Reader { return bytes.NewReader(content) },
	"stream": func(content []byte) io.Reader { return io.MultiReader(bytes.NewReader(content)) },
}

func compressed(t *testing.T, content []byte) (zipped, zstdd []byte) {
	t.Helper()
	var g, z bytes.Buffer
	zw, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{gzip.NewWriter(&g), zw} {
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return g.Bytes(), z.Bytes()
}

func TestLoadArchive(t *testing.T) {
	archive := imageArchive(t, "app:dev", "amd64", nil)
	zipped, zstdd := compressed(t, archive)
	for name, content := range map[string][]byte{"tar": archive, "gzip": zipped, "zstd": zstdd} {
		for source, open := range sources {
			t.Run(name+"/"+source, func(t *testing.T) {
				w := newWorld(t)
				w.mustCreate(t, "demo")
				images, err := w.LoadArchive(t.Context(), "demo", nil, open(content), int64(len(content)))
				if err != nil {
					t.Fatal(describe(err))
				}
				if !slices.Equal(images, []string{"app:dev"}) {
					t.Errorf("loaded %q", images)
				}
				if last := w.events.events[len(w.events.events)-1]; last.State != event.Done || last.Subject != "app:dev" {
					t.Errorf("told %+v", last)
				}
				if has := w.nodeHas(t); !strings.Contains(has, "/library/app:dev\"") {
					t.Errorf("the node has %s", has)
				}
			})
		}
	}
}

// TestLoadRefusesArchive: what is wrong is the archive, not the node that would complain of it, and of a file nothing
// is sent.
func TestLoadRefusesArchive(t *testing.T) {
	archive := imageArchive(t, "app:dev", "amd64", nil)
	zipped, zstdd := compressed(t, archive)
	letter := []byte("hello, this is a letter")
	zippedLetter, _ := compressed(t, letter)
	var other bytes.Buffer
	tw := tar.NewWriter(&other)
	if err := errors.Join(tw.WriteHeader(&tar.Header{Name: "letter.txt", Mode: 0o644}), tw.Close()); err != nil {
		t.Fatal(err)
	}
	manifest := bytes.Index(archive, []byte("manifest.json\x00"))
	layer := bytes.Index(archive, []byte("layer.tar\x00"))
	for _, tc := range []struct {
		name     string
		content  []byte
		says     string
		unsealed bool // can only be seen on the way
	}{
		{name: "empty", says: "the archive is empty"},
		{name: "letter", content: letter, says: "no archive of images"},
		{name: "long letter", content: bytes.Repeat(letter, 100), says: "no archive of images"},
		{name: "zipped letter", content: zippedLetter, says: "no archive of images", unsealed: true},
		{name: "other tar", content: other.Bytes(), says: "no archive of images: neither manifest.json nor"},
		{name: "cut in the first file", content: archive[:600], says: "not complete"},
		{name: "cut in a layer", content: archive[:layer+3000], says: "not complete"},
		{name: "cut in a header", content: archive[:layer+100], says: "not complete"},
		{name: "cut between files", content: archive[:manifest], says: "neither manifest.json"},
		{name: "without its first file", content: archive[layer:], says: "not complete: config.json"},
		{name: "damaged", content: append(slices.Clone(archive[:layer]), bytes.Repeat(letter, 100)...), says: "damaged"},
		{name: "no name", content: imageArchive(t, "", "amd64", nil), says: "has a name"},
		{name: "cut gzip", content: zipped[:100], says: "not complete", unsealed: true},
		{name: "cut zstd", content: zstdd[:len(zstdd)/2], says: "not complete", unsealed: true},
		{name: "damaged gzip", content: append(slices.Clone(zipped[:len(zipped)-8]), "checksum"...), says: "cannot be read", unsealed: true},
	} {
		for source, open := range sources {
			t.Run(tc.name+"/"+source, func(t *testing.T) {
				w := newWorld(t)
				w.mustCreate(t, "demo")
				execs := w.engine.Count("Exec")
				_, err := w.LoadArchive(t.Context(), "demo", nil, open(tc.content), 0)
				wantFault(t, err, fault.Invalid, tc.says, "'docker save -o FILE ")
				if sent := w.engine.Count("Exec") > execs; sent && source == "file" && !tc.unsealed {
					t.Error("a node was asked to take it")
				}
				if has := w.nodeHas(t); strings.Contains(has, "app:dev") {
					t.Errorf("the node has %s", has)
				}
			})
		}
	}
}
