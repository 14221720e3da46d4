// Command build assembles the node image without root and without a container engine: programs compiled out
// of the Go module cache, and files of Debian packages that are downloaded and unpacked but not installed.
// See ../README.md for what the image promises.
//
//	go run ./nodeimage/build --arch amd64
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// options are the command's flags.
type options struct {
	arch    string
	version string
	best    bool
	refresh bool
	dir     string
}

func main() {
	var o options
	flag.StringVar(&o.arch, "arch", runtime.GOARCH, "architecture of the image: amd64 or arm64")
	flag.StringVar(&o.version, "version", "devel", "version of Skiff that the image is labelled with")
	flag.BoolVar(&o.best, "best", false, "compress as well as possible; slow, for releases")
	flag.BoolVar(&o.refresh, "refresh", false, "look for newer Debian packages")
	flag.StringVar(&o.dir, "dir", "nodeimage", "directory of the recipe, relative to the module's root")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "node image:", err)
		os.Exit(1)
	}
}

// run builds everything into dir/.cache/<arch> and packs it into dir/artifact/<arch>. Each step skips what
// is up to date.
func run(ctx context.Context, o options) error {
	if _, ok := machines[o.arch]; !ok {
		return fmt.Errorf("no recipe for architecture %q: use amd64 or arm64", o.arch)
	}
	root, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	b := &builder{
		options:  o,
		machine:  machines[o.arch],
		cache:    filepath.Join(root, ".cache", o.arch),
		artifact: filepath.Join(root, "artifact", o.arch),
		versions: map[string]string{},
	}
	// Packages of the target go into the image; packages of this machine are tools.
	b.packages = &packages{dir: filepath.Join(b.cache, "debian"), arch: o.arch, refresh: o.refresh}
	b.tools = &packages{dir: filepath.Join(root, ".cache", runtime.GOARCH, "tools"), arch: runtime.GOARCH, refresh: o.refresh}
	return b.build(ctx)
}

// machine holds what differs between architectures.
type machine struct {
	triplet string // Debian's name of the architecture, in library paths and compiler names
}

var machines = map[string]machine{
	"amd64": {triplet: "x86_64-linux-gnu"},
	"arm64": {triplet: "aarch64-linux-gnu"},
}

// level is the compression: quick while developing, because the archive is only read on this machine.
func (o options) level() zstd.EncoderLevel {
	if o.best {
		return zstd.SpeedBestCompression
	}
	return zstd.SpeedFastest
}
