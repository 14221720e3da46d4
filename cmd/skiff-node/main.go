// Command skiff-node is PID 1 of a node: it prepares the container, supervises containerd and the Kubernetes
// process, and reports what they do.
package main

import (
	"os"

	"github.com/skiff-cluster/skiff/internal/node"
)

func main() { os.Exit(node.Main(os.Args[1:])) }
