package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// builder is one run of the recipe.
type builder struct {
	options
	machine  machine
	cache    string // what is derived and can be derived again
	artifact string
	packages *packages
	tools    *packages
	versions map[string]string
}

func (b *builder) build(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(b.cache, "bin"), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(b.artifact, 0o755); err != nil {
		return err
	}
	if err := b.packages.unpack(ctx, imagePackages); err != nil {
		return err
	}
	compiler, err := b.compiler(ctx)
	if err != nil {
		return err
	}
	kubernetes, err := moduleVersion(ctx, "k8s.io/kubernetes")
	if err != nil {
		return err
	}
	b.versions["kubernetes"] = kubernetes.Version
	if err := b.compilePrograms(ctx, compiler, kubernetes); err != nil {
		return err
	}
	pause, err := b.pauseArchive(ctx, compiler, kubernetes)
	if err != nil {
		return err
	}
	seed, err := b.seed(ctx, kubernetes)
	if err != nil {
		return err
	}
	base, skiff, err := b.trees(pause, seed)
	if err != nil {
		return err
	}
	return b.pack(kubernetes.Version, base, skiff)
}

// seed runs the Kubernetes components once, to write the first content of a cluster's datastore. It depends
// on nothing but the program, so a seed made by the same program is kept.
func (b *builder) seed(ctx context.Context, kubernetes module) (string, error) {
	program := filepath.Join(b.cache, "bin", "skiff-kubernetes")
	if b.arch != runtime.GOARCH {
		program = filepath.Join(b.cache, "native", "skiff-kubernetes")
		native := programs[kubernetesProgram]
		if err := native.compile(ctx, filepath.Dir(program), runtime.GOARCH, nil, kubernetes); err != nil {
			return "", err
		}
	}
	seed := filepath.Join(b.cache, "seed")
	id, err := fileDigest(program)
	if err != nil {
		return "", err
	}
	stamp := seed + ".of"
	if made, err := os.ReadFile(stamp); err == nil && string(made) == id {
		return seed, nil
	}
	if err := os.RemoveAll(seed); err != nil {
		return "", err
	}
	if _, err := command(ctx, nil, program, "seed", "--out", seed); err != nil {
		return "", fmt.Errorf("write the datastore's first content: %w", err)
	}
	return seed, os.WriteFile(stamp, []byte(id), 0o644)
}

// pauseArchive compiles upstream's pause program, which holds a pod's namespaces, and packs it as an image.
func (b *builder) pauseArchive(ctx context.Context, compiler compiler, kubernetes module) (string, error) {
	program := filepath.Join(b.cache, "pause")
	source := filepath.Join(kubernetes.Dir, "build", "pause", "linux", "pause.c")
	args := []string{"-Os", "-Wall", "-Werror", "-static", "-s", "-DVERSION=" + kubernetes.Version,
		"-Wl,--build-id=none", "-o", program, source}
	if _, err := command(ctx, compiler.env, compiler.cc, args...); err != nil {
		return "", fmt.Errorf("compile pause: %w", err)
	}
	var tree imagetar.Tree
	tree.File("/pause", program, 0o755)
	layer, err := imagetar.WriteLayer(program+".layer.tar", &tree)
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
	if _, err := image.WriteArchive(out, pauseImage); err != nil {
		return "", err
	}
	return archive, out.Close()
}

// module is what `go list -m -json` says of one.
type module struct {
	Version string
	Time    string
	Dir     string
	Sum     string
}

func moduleVersion(ctx context.Context, path string) (module, error) {
	out, err := command(ctx, nil, "go", "list", "-m", "-json", path)
	if err != nil {
		return module{}, err
	}
	var m module
	if err := json.Unmarshal(out, &m); err != nil {
		return module{}, fmt.Errorf("go list -m %s: %w", path, err)
	}
	if m.Dir == "" {
		return module{}, fmt.Errorf("module %s is not in the module cache: run `go mod download`", path)
	}
	return m, nil
}

// command runs a program with env added to ours and returns what it printed. What it said on stderr is part
// of the error.
func command(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%s is not installed: run `sudo apt-get install %s`", name, debianPackageOf(name))
		}
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

func debianPackageOf(program string) string {
	switch program {
	case "gcc":
		return "gcc libc6-dev"
	case "apt-get", "apt-cache":
		return "apt"
	case "dpkg-deb":
		return "dpkg"
	default:
		return program
	}
}
