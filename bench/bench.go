package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	cerrdefs "github.com/containerd/errdefs"
)

// bench is one run: what it measures with, what it has made, and what it has found out.
type bench struct {
	options
	engine   *engine
	machine  machine
	products []*product
	id       string // in every name that is made, so that two runs do not meet
	dir      string // temporary files
	workload workload
	d        sample // the yardstick, in seconds
	found    map[key]sample

	// What is to be removed at the end.
	clusters []*cluster
	images   []string
	made     int
	// bringsNodeImage is true if the host's Docker had no node image of ours before.
	bringsNodeImage bool
}

// key names a figure of a product.
type key struct{ figure, product string }

// newBench finds the engine and the products. It makes nothing.
func newBench(ctx context.Context, o options) (*bench, error) {
	e, err := findEngine(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := skiff(ctx, o.skiff)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 3)
	rand.Read(id)
	m, err := e.describe()
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, engine: e, machine: m, products: []*product{ours}, id: hex.EncodeToString(id), found: map[key]sample{}}
	there, err := e.hasImage(ctx, ours.nodeImage)
	if err != nil {
		return nil, err
	}
	b.bringsNodeImage = !there
	if o.peers && !o.trace {
		peer, err := kind(ctx, e)
		if err != nil {
			return nil, err
		}
		if peer != nil {
			b.products = append(b.products, peer)
		}
	}
	return b, nil
}

// prepare makes the workload's image and takes the yardstick.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "skiff-bench-"); err != nil {
		return err
	}
	if b.workload, err = buildWorkload(ctx, b.engine, b.dir); err != nil {
		return err
	}
	if err := b.loadWorkload(ctx); err != nil {
		return err
	}
	b.say("d: %d times docker run", dRuns)
	b.d, err = b.measureD(ctx)
	return err
}

// say tells what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// record adds a value of a figure.
func (b *bench) record(p *product, figure string, value float64) {
	k := key{figure, p.Name}
	b.found[k] = append(b.found[k], value)
}

// wanted says if a figure is to be measured.
func (b *bench) wanted(figure string) bool { return b.only.MatchString(figure) }

// cleanUpTimeout is for all that a run may have left.
const cleanUpTimeout = 2 * time.Minute

// cleanUp removes what this run made and has not removed yet.
func (b *bench) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanUpTimeout)
	defer cancel()
	errs := []error{b.removeClusters(ctx), b.removeContainers(ctx), b.removeNetworks(ctx)}
	if b.bringsNodeImage {
		// Someone else may use it by now; then it stays.
		if err := b.engine.removeImage(ctx, b.products[0].nodeImage); !cerrdefs.IsConflict(err) {
			errs = append(errs, err)
		}
	}
	for _, ref := range b.images {
		errs = append(errs, b.engine.removeImage(ctx, ref))
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// removeClusters removes those that a failure or an interruption left.
func (b *bench) removeClusters(ctx context.Context) error {
	var errs []error
	for _, c := range slices.Clone(b.clusters) {
		if _, err := b.delete(ctx, c); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// path is that of a temporary file.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
