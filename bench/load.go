package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

const (
	// An image of 100 MB: what it stands on, in a few layers, and the program that changes all the time.
	baseLayers     = 3
	baseLayerSize  = 30 * megabyte
	lastLayerSize  = 10 * megabyte
	seedsPerImage  = baseLayers + 2 // there are two versions of the last layer
	loadImageNames = "skiff-bench/%s-load-%d:1"
)

// measureLoad loads images that no node has seen, with a changed last layer, and once more as they are. What is put
// into the host's Docker before is not counted.
func (b *bench) measureLoad(ctx context.Context, p *product) error {
	return b.with(ctx, p, func(c *cluster) error {
		for i := range b.iterations {
			if err := b.loadOnce(ctx, c, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) loadOnce(ctx context.Context, c *cluster, i int) error {
	ref := fmt.Sprintf(loadImageNames, b.id, i)
	seed := uint64(i * seedsPerImage)
	var base []imagetar.Layer
	for n := range baseLayers {
		layer, err := randomLayer(fmt.Sprintf("base-%d", n), seed+uint64(n), baseLayerSize)
		if err != nil {
			return err
		}
		base = append(base, layer)
	}
	for version, figures := range [][]string{{figLoad}, {figLoadLayer, figLoadSame}} {
		last, err := randomLayer("program", seed+uint64(baseLayers+version), lastLayerSize)
		if err != nil {
			return err
		}
		// A new image under an old name would leave the old one without a name.
		if err := b.dropImage(ctx, ref); err != nil {
			return err
		}
		if err := b.hostImage(ctx, ref, append(slices.Clip(base), last)...); err != nil {
			return err
		}
		for _, figure := range figures {
			r, err := b.load(ctx, c, ref)
			if err != nil {
				return err
			}
			b.record(c.product, figure, r.wall().Seconds())
			b.say("  %s: %.2f s", figure, r.wall().Seconds())
		}
	}
	return b.dropImage(ctx, ref)
}
