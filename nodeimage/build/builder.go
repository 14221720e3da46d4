package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/skiff-cluster/skiff/internal/buildflags"
)

// builder is one run of the recipe.
type builder struct {
	options
	machine  machine
	cache    string // what is derived and can be derived again
	artifact string // the result
	// native is the builder of this machine's architecture: its skiff-kubernetes is run to write the seed. It is
	// the builder itself unless another architecture's image is made.
	native *builder
	// debian are the packages with files in the image; devel those that programs are compiled against; tools those
	// with programs that run here.
	debian, devel, tools *packages
	kubernetes           buildflags.ModuleInfo
	versions             map[string]string // of everything in the image
}

// machine holds what differs between architectures.
type machine struct {
	triplet string // Debian's name of the architecture, in paths of libraries and names of compilers
	loader  string // the dynamic loader, as ELF files name it
}

var machines = map[string]machine{
	"amd64": {triplet: "x86_64-linux-gnu", loader: "/lib64/ld-linux-x86-64.so.2"},
	"arm64": {triplet: "aarch64-linux-gnu", loader: "/lib/ld-linux-aarch64.so.1"},
}

func newBuilder(o options, root string) (*builder, error) {
	machine, ok := machines[o.arch]
	if !ok {
		return nil, fmt.Errorf("no recipe for architecture %q: use amd64 or arm64", o.arch)
	}
	cache := filepath.Join(root, ".cache", o.arch)
	b := &builder{
		options:  o,
		machine:  machine,
		cache:    cache,
		artifact: filepath.Join(root, "artifact", o.arch),
		versions: map[string]string{},
	}
	apt := &apt{dir: filepath.Join(cache, "apt"), arch: o.arch}
	b.debian = &packages{apt: apt, dir: filepath.Join(cache, "debian"), refresh: o.refresh}
	b.devel = &packages{apt: apt, dir: filepath.Join(cache, "devel"), refresh: o.refresh}
	b.native = b
	if o.arch != runtime.GOARCH {
		o.arch = runtime.GOARCH
		var err error
		if b.native, err = newBuilder(o, root); err != nil {
			return nil, err
		}
	}
	b.tools = &packages{apt: b.native.debian.apt, dir: filepath.Join(cache, "tools"), refresh: o.refresh}
	return b, nil
}

// build runs the steps. The order matters: programs before what they write or are described by.
func (b *builder) build(ctx context.Context) error {
	for _, dir := range []string{b.bin(), b.artifact} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var err error
	if b.kubernetes, err = buildflags.Lookup(ctx, buildflags.KubernetesModule); err != nil {
		return err
	}
	if err := b.debian.unpack(ctx, imagePackages, sharedLibraries); err != nil {
		return err
	}
	compiler, err := b.compiler(ctx)
	if err != nil {
		return err
	}
	if err := b.compileUpstream(ctx, compiler); err != nil {
		return err
	}
	if err := b.compileOurs(ctx); err != nil {
		return err
	}
	pause, err := b.pauseArchive(ctx, compiler)
	if err != nil {
		return err
	}
	seed, err := b.seed(ctx)
	if err != nil {
		return err
	}
	base, err := b.baseTree(pause)
	if err != nil {
		return err
	}
	skiff, err := b.skiffTree(seed)
	if err != nil {
		return err
	}
	return b.pack(base, skiff)
}

// bin is where compiled programs are.
func (b *builder) bin() string { return filepath.Join(b.cache, "bin") }
