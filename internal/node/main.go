// Package node is skiff-node, PID 1 of a node. It prepares the container (package machine), supervises
// containerd (package runtime) and the Kubernetes process (package kubernetes, another program), and tells what
// they do (package status). Run with an argument, inside a running node, it is the command line's hand there.
//
// It is small on purpose: it is there in every node, and is started for every question that is put to one.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/skiff-cluster/skiff/internal/node/images"
	"github.com/skiff-cluster/skiff/internal/node/status"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Main runs the program and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := dispatch(ctx, args)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	fmt.Fprintln(os.Stderr, "skiff-node:", err)
	return 1
}

const usage = `usage: skiff-node            run the node (PID 1)
       skiff-node status     print the node's status as JSON
       skiff-node images     print the node's images as JSON
       skiff-node load       load images from an archive on standard input, and print their names as JSON
       skiff-node member list|add NAME|remove NAME
                             show or change the members of the datastore
       skiff-node restart    let the Kubernetes process begin anew, with the node's configuration as it is now; pods go on`

var errUsage = errors.New("usage")

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return run(ctx)
	}
	if args[0] == "member" {
		return member(ctx, args[1:])
	}
	if len(args) > 1 {
		return errUsage
	}
	switch args[0] {
	case "status":
		s, err := status.Read(ctx, nodeapi.StatusSocket)
		if err != nil {
			return err
		}
		return tell(s)
	case "restart":
		return status.Restart(ctx, nodeapi.StatusSocket, kubernetesName)
	case "images":
		return withImages(ctx, func(ctx context.Context, store *images.Store) error {
			list, err := store.List(ctx)
			if err != nil {
				return err
			}
			return tell(list)
		})
	case "load":
		return withImages(ctx, func(ctx context.Context, store *images.Store) error {
			names, err := store.Load(ctx, os.Stdin)
			if err != nil {
				return err
			}
			// Whoever writes the archive must not find the pipe closed before its end.
			if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
				return err
			}
			return tell(map[string][]string{"images": names})
		})
	}
	return errUsage
}

func withImages(ctx context.Context, do func(context.Context, *images.Store) error) error {
	store, ctx, err := images.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, store), store.Close())
}

// tell answers the command line, in JSON.
func tell(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// readVersions returns the versions of everything in the image, by name.
func readVersions() (map[string]string, error) {
	data, err := os.ReadFile(nodeapi.VersionsPath)
	if err != nil {
		return nil, err
	}
	var versions map[string]string
	if err := json.Unmarshal(data, &versions); err != nil {
		return nil, fmt.Errorf("%s: %w", nodeapi.VersionsPath, err)
	}
	return versions, nil
}
