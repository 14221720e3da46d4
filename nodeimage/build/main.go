// Command build assembles the node image without root and without a container engine: programs compiled out
// of the Go module cache, and files of Debian packages that are downloaded and unpacked but not installed.
// See ../README.md for what the image promises.
//
//	go run ./nodeimage/build --arch amd64
//
// Where things are: programs.go and contents.go are the two tables of what is in the image; builder.go is the order
// of the steps, each of which skips what is up to date.
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
	flag.StringVar(&o.dir, "dir", "nodeimage", "directory of the recipe")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "node image:", err)
		os.Exit(1)
	}
}

// run builds everything into dir/.cache/<arch> and packs it into dir/artifact/<arch>.
func run(ctx context.Context, o options) error {
	root, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	b, err := newBuilder(o, root)
	if err != nil {
		return err
	}
	return b.build(ctx)
}

// progress tells of a step that takes long enough to be noticed. Steps that are up to date are silent.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "node image: "+format+"\n", args...)
}
