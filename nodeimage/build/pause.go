package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// pauseArchive compiles upstream's pause program, which holds a pod's namespaces, and packs it as an image.
func (b *builder) pauseArchive(ctx context.Context, c compiler) (string, error) {
	program := filepath.Join(b.bin(), "pause")
	source := filepath.Join(b.kubernetes.Dir, "build", "pause", "linux", "pause.c")
	err := stamped(program, program+".made-of", b.kubernetes.Version+"\n"+c.version, func() error {
		args := append(append([]string{}, c.flags...), "-Os", "-Wall", "-Werror", "-static", "-s",
			"-DVERSION="+b.kubernetes.Version, "-Wl,--build-id=none", "-o", program, source)
		_, err := command(ctx, "", c.env, c.cc, args...)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("compile pause: %w", err)
	}
	b.versions["pause"] = b.kubernetes.Version
	var tree imagetar.Tree
	tree.File("/pause", program, 0o755)
	layer, err := imagetar.NewLayer(&tree)
	if err != nil {
		return "", err
	}
	image, err := imagetar.New(imagetar.Config{
		Architecture: b.arch,
		Entrypoint:   []string{"/pause"},
		Env:          []string{"PATH=/"},
	}, layer)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(b.cache, "pause.tar")
	out, err := os.Create(archive)
	if err != nil {
		return "", err
	}
	defer out.Close()
	if _, err := image.WriteArchive(out, nodeapi.PauseImage); err != nil {
		return "", err
	}
	return archive, out.Close()
}
