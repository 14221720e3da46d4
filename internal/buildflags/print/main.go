// Command print prints the linker flags of the command line, for the Makefile.
//
//	go build -ldflags "$(go run ./internal/buildflags/print --version v1.0.0)" ./cmd/skiff
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/skiff-cluster/skiff/internal/buildflags"
)

func main() {
	version := flag.String("version", "devel", "version of Skiff")
	commit := flag.String("commit", "", "commit of Skiff")
	flag.Parse()
	kubernetes, err := buildflags.Lookup(context.Background(), buildflags.KubernetesModule)
	if err != nil {
		fmt.Fprintln(os.Stderr, "buildflags:", err)
		os.Exit(1)
	}
	flags, err := buildflags.Kubernetes(kubernetes)
	if err != nil {
		fmt.Fprintln(os.Stderr, "buildflags:", err)
		os.Exit(1)
	}
	flags = append([]string{"-s", "-w", "-buildid="}, append(buildflags.Skiff(*version, *commit), flags...)...)
	fmt.Println(strings.Join(flags, " "))
}
