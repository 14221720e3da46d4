package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// workloadPackage is what runs in our containers.
const workloadPackage = "github.com/skiff-cluster/skiff/bench/workload"

// workload is the image of our only program.
type workload struct {
	ref   string
	arch  string
	layer imagetar.Layer
}

// goArch translates the engine's name of its architecture, which is the kernel's.
var goArch = map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

// buildWorkload compiles the program for the engine.
func buildWorkload(ctx context.Context, e *engine, dir string) (workload, error) {
	arch, ok := goArch[e.info.Architecture]
	if !ok {
		return workload{}, fmt.Errorf("the engine runs on %s: want amd64 or arm64", e.info.Architecture)
	}
	program := filepath.Join(dir, "workload")
	env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch}
	if _, err := command(ctx, env, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, workloadPackage); err != nil {
		return workload{}, err
	}
	var tree imagetar.Tree
	tree.File("/workload", program, 0o755)
	layer, err := imagetar.NewLayer(&tree)
	return workload{arch: arch, layer: layer}, err
}

// loadWorkload puts the program's image into the host's Docker.
func (b *bench) loadWorkload(ctx context.Context) error {
	b.workload.ref = fmt.Sprintf("skiff-bench/%s:1", b.id)
	return b.hostImage(ctx, b.workload.ref, b.workload.layer)
}

// hostImage puts an image with the workload as its program into the host's Docker, for this run only.
func (b *bench) hostImage(ctx context.Context, ref string, layers ...imagetar.Layer) error {
	image, err := imagetar.New(imagetar.Config{Architecture: b.workload.arch, Entrypoint: []string{"/workload"}}, layers...)
	if err != nil {
		return err
	}
	b.images = append(b.images, ref)
	return b.engine.loadImage(ctx, func(w io.Writer) error {
		_, err := image.WriteArchive(w, ref)
		return err
	})
}

// dropImage removes an image from the host's Docker before the end of the run.
func (b *bench) dropImage(ctx context.Context, ref string) error {
	b.images = slices.DeleteFunc(b.images, func(other string) bool { return other == ref })
	return b.engine.removeImage(ctx, ref)
}

const megabyte = 1_000_000

// randomLayer makes a layer of incompressible bytes. The same seed gives the same layer.
func randomLayer(name string, seed uint64, bytes int) (imagetar.Layer, error) {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	data := make([]byte, bytes)
	_, _ = rand.NewChaCha8(key).Read(data) // never fails
	var tree imagetar.Tree
	tree.Data("/data/"+name, data, 0o644)
	return imagetar.NewLayer(&tree)
}
