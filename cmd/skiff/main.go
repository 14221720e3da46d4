// Command skiff creates Kubernetes clusters in Docker containers and works with them.
package main

import (
	"os"

	"github.com/skiff-cluster/skiff/internal/cli"
	"github.com/skiff-cluster/skiff/internal/cli/kit"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], kit.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Exit))
}
