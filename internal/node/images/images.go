// Package images puts images into a node's containerd, and says which are there.
package images

import (
	"context"
	"fmt"
	"os"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// namespace is the one that the kubelet's images are in.
const namespace = "k8s.io"

// pinned keeps an image from the kubelet's garbage collection (CRI plugin of containerd).
var pinned = map[string]string{"io.cri-containerd.pinned": "pinned"}

// Store is the node's store of images.
type Store struct{ client *containerd.Client }

// Open connects to the node's containerd.
func Open(ctx context.Context) (*Store, context.Context, error) {
	client, err := containerd.New(nodeapi.ContainerdSocket, containerd.WithDefaultNamespace(namespace))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to containerd: %w", err)
	}
	return &Store{client: client}, namespaces.WithNamespace(ctx, namespace), nil
}

// Close ends the connection.
func (s *Store) Close() error { return s.client.Close() }

// Image is an image in the node.
type Image struct {
	Name string `json:"name"`
	// Digest is that of the manifest or index, Config that of the configuration: the one is the image's ID in
	// engines with containerd's image store, the other in those with the classic one.
	Digest string `json:"digest"`
	Config string `json:"config,omitempty"`
}

// List returns all images.
func (s *Store) List(ctx context.Context) ([]Image, error) {
	all, err := s.client.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	list := []Image{}
	for _, i := range all {
		// One that cannot be unpacked, or is for another platform, cannot run here, and whoever brings it again may have
		// it whole.
		if ok, err := i.IsUnpacked(ctx, ""); err != nil || !ok {
			continue
		}
		image := Image{Name: i.Name(), Digest: i.Target().Digest.String()}
		if config, err := i.Config(ctx); err == nil { // not of an image for another platform
			image.Config = config.Digest.String()
		}
		list = append(list, image)
	}
	return list, nil
}

// Ensure loads an image from an archive file unless it is there. The kubelet will not collect it.
func (s *Store) Ensure(ctx context.Context, name, path string) error {
	if i, err := s.client.GetImage(ctx, name); err == nil {
		if ok, err := i.IsUnpacked(ctx, ""); err == nil && ok {
			return nil
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = s.load(ctx, f, pinned)
	return err
}
