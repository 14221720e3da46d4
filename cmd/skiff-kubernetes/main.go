// Command skiff-kubernetes hosts etcd and all Kubernetes components of a node in one process.
package main

import (
	"os"

	"github.com/skiff-cluster/skiff/internal/node/kubernetes"
)

func main() { os.Exit(kubernetes.Main(os.Args[1:])) }
