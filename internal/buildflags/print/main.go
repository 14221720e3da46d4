// Command print prints the linker flags of the command line, for the Makefile.
//
//	go build -ldflags "$(go run ./internal/buildflags/print --version v1.0.0)" ./cmd/skiff
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/skiff-cluster/skiff/internal/buildflags"
)

func main() {
	version := flag.String("version", "devel", "version of Skiff")
	commit := flag.String("commit", "", "commit of Skiff")
	flag.Parse()
	flags, err := buildflags.CommandLine(context.Background(), *version, *commit)
	if err != nil {
		fmt.Fprintln(os.Stderr, "buildflags:", err)
		os.Exit(1)
	}
	fmt.Println(buildflags.LinkerFlags(flags...))
}
