package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/image"
)

// product is a program that makes clusters, as it is called. Every command gets the environment variable KUBECONFIG.
type product struct {
	Name    string `json:"name"`
	Version string `json:"version"`

	create func(cluster string) []string
	delete func(cluster string) []string
	load   func(cluster, image string) []string
	node   func(cluster string) string // the node's container
	// addAgent adds a node; only our own product has it.
	addAgent func(cluster string) []string

	nodeImage string
}

// skiffName is the product that this is all about: some figures exist for it only.
const skiffName = "skiff"

// skiff describes the program under test.
func skiff(ctx context.Context, program string) (*product, error) {
	r, err := command(ctx, nil, program, "version", "--output", "json")
	if err != nil {
		return nil, fmt.Errorf("%w\nBuild the program first: make build", err)
	}
	var version struct{ Version, NodeImage, Kubernetes string }
	if err := json.Unmarshal(r.stdout, &version); err != nil {
		return nil, fmt.Errorf("%s version: %w", program, err)
	}
	if version.NodeImage == "" {
		return nil, fmt.Errorf("%s carries no node image: build it with `make build`", program)
	}
	return &product{
		Name:     skiffName,
		Version:  strings.TrimSpace(version.Version + " (Kubernetes " + version.Kubernetes + ")"),
		create:   func(cluster string) []string { return []string{program, "create", cluster} },
		delete:   func(cluster string) []string { return []string{program, "delete", cluster, "--ignore-not-found"} },
		load:     func(cluster, image string) []string { return []string{program, "load", "--cluster", cluster, image} },
		node:     func(cluster string) string { return "skiff-" + cluster + "-server-1" },
		addAgent: func(cluster string) []string { return []string{program, "--cluster", cluster, "node", "add"} },

		nodeImage: version.NodeImage,
	}, nil
}

// kindImages is the repository of kind's node images.
const kindImages = "kindest/node"

// kind describes kind, nil if it or its node image is not here: nothing is pulled.
func kind(ctx context.Context, e *engine) (*product, error) {
	program, err := exec.LookPath("kind")
	if err != nil {
		return nil, nil
	}
	images, err := e.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	node := newest(images, kindImages)
	if node == "" {
		return nil, nil
	}
	r, err := command(ctx, nil, program, "version", "--quiet")
	if err != nil {
		return nil, err
	}
	_, tag, _ := strings.Cut(node, ":")
	return &product{
		Name:    "kind",
		Version: fmt.Sprintf("%s (node image %s)", bytes.TrimSpace(r.stdout), tag),
		// Without --wait it returns before the node is Ready, which would be no equal.
		create: func(cluster string) []string {
			return []string{program, "create", "cluster", "--name", cluster, "--image", node, "--wait", "5m"}
		},
		delete: func(cluster string) []string { return []string{program, "delete", "cluster", "--name", cluster} },
		load: func(cluster, image string) []string {
			return []string{program, "load", "docker-image", "--name", cluster, image}
		},
		node:      func(cluster string) string { return cluster + "-control-plane" },
		nodeImage: node,
	}, nil
}

// newest returns the name of the image of a repository that was made last, "" if there is none.
func newest(images []image.Summary, repository string) string {
	var found image.Summary
	name := ""
	for _, i := range images {
		at := slices.IndexFunc(i.RepoTags, func(tag string) bool { return strings.HasPrefix(tag, repository+":") })
		if at >= 0 && (name == "" || i.Created > found.Created) {
			found, name = i, i.RepoTags[at]
		}
	}
	return name
}
