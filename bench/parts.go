package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// part measures some figures that are cheaper to have together.
type part struct {
	name    string
	figures []string
	peers   bool // it makes sense for other products too
	run     func(b *bench, ctx context.Context, p *product) error
}

// parts in the order they run.
var parts = []part{
	{"create and delete", []string{figCreate, figDelete, figCreateCPU, figCreateMachine}, true, (*bench).measureCreate},
	{"create --ephemeral", []string{figEphemeral}, false, (*bench).measureEphemeral},
	{"first create", []string{figFirst}, false, (*bench).measureFirst},
	{"app and DNS", []string{figApp}, true, (*bench).measureApp},
	{"pods", podFigures(), true, (*bench).measurePods},
	{"load", []string{figLoad, figLoadLayer, figLoadSame}, true, (*bench).measureLoad},
	{"idle", []string{figIdleMemory, figIdleCPU}, true, (*bench).measureIdle},
	{"ten nodes", []string{figTen}, false, (*bench).measureTen},
	{"many nodes", []string{figMany, figEdgeMemory, figAgentMemory, figAgentCPU}, false, (*bench).measureMany},
	{"add an agent", []string{figAddAgent}, false, (*bench).measureAddAgent},
	{"streams between nodes", streamFigures(), false, (*bench).measureStreams},
}

// measureAll runs the parts that are wanted. One that fails is told at the end and does not stop the others.
func (b *bench) measureAll(ctx context.Context) error {
	for _, p := range b.products {
		b.say("%s: one create and delete to warm up", p.Name)
		if err := b.with(ctx, p, func(*cluster) error { return nil }); err != nil {
			return err
		}
	}
	var errs []error
	for _, part := range parts {
		if !slices.ContainsFunc(part.figures, b.wanted) {
			continue
		}
		for _, p := range b.products {
			if p.Name != skiffName && !part.peers {
				continue
			}
			b.say("%s: %s", p.Name, part.name)
			err := part.run(b, ctx, p)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				b.say("%s: %s FAILED: %v", p.Name, part.name, err)
				errs = append(errs, fmt.Errorf("%s: %s: %w", p.Name, part.name, err))
				// What it left would be measured with the next part.
				if err := b.removeClusters(ctx); err != nil {
					return errors.Join(append(errs, err)...)
				}
			}
		}
	}
	b.say("d again, to see if the machine changed")
	after, err := b.measureD(ctx)
	if err != nil {
		return err
	}
	if len(errs) > 0 && b.update {
		b.say("the documentation stays as it is, because something is missing")
		b.update = false
	}
	return errors.Join(append(errs, b.publish(after))...)
}

// baselineTime is how long the machine is watched without a cluster.
const baselineTime = 3 * time.Second

// baseline returns the processors' rate of work while nothing of ours runs.
func baseline(ctx context.Context) (float64, error) {
	before, err := machineBusy()
	if err != nil {
		return 0, err
	}
	started := time.Now()
	if err := pause(ctx, baselineTime); err != nil {
		return 0, err
	}
	after, err := machineBusy()
	return (after - before) / time.Since(started).Seconds(), err
}

func (b *bench) measureCreate(ctx context.Context, p *product) error {
	idleRate, err := baseline(ctx)
	if err != nil {
		return err
	}
	for range b.iterations {
		if err := b.createOnce(ctx, p, idleRate); err != nil {
			return err
		}
	}
	return nil
}

// createOnce creates and deletes a cluster and counts who spent how much CPU time on the creation.
func (b *bench) createOnce(ctx context.Context, p *product, idleRate float64) error {
	meter, err := startMeter()
	if err != nil {
		return err
	}
	c := b.newCluster(p)
	made, err := b.create(ctx, c)
	if err != nil {
		return err
	}
	node, err := b.engine.usage(ctx, c.container())
	if err != nil {
		return err
	}
	engine, machine, err := meter.stop(idleRate)
	if err != nil {
		return err
	}
	gone, err := b.delete(ctx, c)
	if err != nil {
		return err
	}
	b.record(p, figCreate, made.wall().Seconds())
	b.record(p, figCreateCPU, node.cpu+made.cpu.Seconds()+engine)
	b.record(p, figCreateMachine, machine)
	b.record(p, figDelete, gone.wall().Seconds())
	b.say("  create %.2f s, CPU: node %.2f, command %.2f, engine %.2f; delete %.2f s",
		made.wall().Seconds(), node.cpu, made.cpu.Seconds(), engine, gone.wall().Seconds())
	return nil
}

func (b *bench) measureEphemeral(ctx context.Context, p *product) error {
	for range b.iterations {
		c := b.newCluster(p)
		made, err := b.create(ctx, c, "--ephemeral")
		if err != nil {
			return err
		}
		b.record(p, figEphemeral, made.wall().Seconds())
		if _, err := b.delete(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// measureFirst removes the node image before each creation.
func (b *bench) measureFirst(ctx context.Context, p *product) error {
	for range b.iterations {
		if err := b.engine.removeImage(ctx, p.nodeImage); err != nil {
			return err
		}
		c := b.newCluster(p)
		made, err := b.create(ctx, c)
		if err != nil {
			return err
		}
		b.record(p, figFirst, made.wall().Seconds())
		if _, err := b.delete(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
