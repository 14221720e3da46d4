package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// cluster is one that this run made, with a kubeconfig file of its own.
type cluster struct {
	*product
	name       string
	kubeconfig string
}

func (c *cluster) env() []string { return []string{"KUBECONFIG=" + c.kubeconfig} }

// container is the name of the node's container.
func (c *cluster) container() string { return c.node(c.name) }

// newCluster names a cluster. It does not exist yet, and whatever becomes of it is removed at the end of the run.
func (b *bench) newCluster(p *product) *cluster {
	b.made++
	name := fmt.Sprintf("bench-%s-%d", b.id, b.made)
	c := &cluster{product: p, name: name, kubeconfig: b.path(name + ".kubeconfig")}
	b.clusters = append(b.clusters, c)
	return c
}

// create makes the cluster and returns when its program says that it is ready.
func (b *bench) create(ctx context.Context, c *cluster, args ...string) (ran, error) {
	return command(ctx, c.env(), append(c.product.create(c.name), args...)...)
}

// delete removes the cluster and its kubeconfig file.
func (b *bench) delete(ctx context.Context, c *cluster) (ran, error) {
	r, err := command(ctx, c.env(), c.product.delete(c.name)...)
	if err != nil {
		return r, err
	}
	b.forget(c)
	if err := os.Remove(c.kubeconfig); err != nil && !os.IsNotExist(err) {
		return r, err
	}
	return r, nil
}

// forget takes a cluster off the list of what is to be removed.
func (b *bench) forget(c *cluster) {
	b.clusters = slices.DeleteFunc(b.clusters, func(other *cluster) bool { return other == c })
}

// load puts an image of the host's Docker into the cluster.
func (b *bench) load(ctx context.Context, c *cluster, image string) (ran, error) {
	return command(ctx, c.env(), c.product.load(c.name, image)...)
}

// with creates a cluster for the length of a piece of work.
func (b *bench) with(ctx context.Context, p *product, work func(*cluster) error) error {
	c := b.newCluster(p)
	if _, err := b.create(ctx, c); err != nil {
		return err
	}
	if err := work(c); err != nil {
		return err // whoever called the part removes the cluster
	}
	_, err := b.delete(ctx, c)
	return err
}
