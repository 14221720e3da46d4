// Command dist builds the release archives of the command line: for each system and architecture an archive with the
// program (the node image of its architecture inside), the license and the README, and one file with the checksums
// of all. The same sources and node images give the same bytes. The images must have been built: see `make dist`.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/skiff-cluster/skiff/internal/buildflags"
	"github.com/skiff-cluster/skiff/nodeimage/imagefile"
)

// options are the command's flags.
type options struct {
	version, commit, out string
}

// target is what an archive is for.
type target struct{ os, arch string }

var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func main() {
	var o options
	flag.StringVar(&o.version, "version", "devel", "version of Skiff")
	flag.StringVar(&o.commit, "commit", "", "commit of Skiff")
	flag.StringVar(&o.out, "out", "dist", "directory for the archives")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := os.RemoveAll(o.out); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	flags, err := buildflags.CommandLine(ctx, o.version, o.commit)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range targets {
		name, err := release(ctx, o, t, flags)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", t.os, t.arch, err)
		}
		names = append(names, name)
	}
	return checksums(o.out, names)
}

// release builds one archive and returns its name.
func release(ctx context.Context, o options, t target, flags []string) (string, error) {
	if _, err := imagefile.Open(os.DirFS(filepath.Join("nodeimage", "artifact", t.arch))); err != nil {
		return "", fmt.Errorf("there is no node image to put inside: run `make dist`: %w", err)
	}
	work, err := os.MkdirTemp("", "skiff-dist-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	program := filepath.Join(work, "skiff")
	if t.os == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", append(buildflags.Args(nil, flags...), "-o", program, "./cmd/skiff")...)
	cmd.Env = append(os.Environ(), "GOOS="+t.os, "GOARCH="+t.arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, bytes.TrimSpace(out))
	}
	base := fmt.Sprintf("skiff_%s_%s_%s", o.version, t.os, t.arch)
	files := []file{{source: program, executable: true}, {source: "LICENSE"}, {source: "README.md"}}
	name, pack := base+".tar.gz", writeTarGz
	if t.os == "windows" {
		name, pack = base+".zip", writeZip
	}
	fmt.Fprintln(os.Stderr, "dist: packing", name)
	out, err := os.Create(filepath.Join(o.out, name))
	if err != nil {
		return "", err
	}
	defer out.Close()
	if err := pack(out, base, files); err != nil {
		return "", err
	}
	return name, out.Close()
}

// checksums writes them in the form that `sha256sum --check` reads.
func checksums(dir string, names []string) error {
	slices.Sort(names)
	var text bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(data), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), text.Bytes(), 0o644)
}
