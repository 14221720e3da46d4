package main

import (
	"context"
	"time"
)

// idleTimes is how often an idle cluster is watched at most: each time takes a minute.
const idleTimes = 3

// measureIdle watches a cluster on which nothing was applied.
func (b *bench) measureIdle(ctx context.Context, p *product) error {
	return b.with(ctx, p, func(c *cluster) error {
		if err := pause(ctx, b.settle); err != nil {
			return err
		}
		before, err := b.engine.usage(ctx, c.container())
		if err != nil {
			return err
		}
		for range min(b.iterations, idleTimes) {
			started := time.Now()
			if err := pause(ctx, b.window); err != nil {
				return err
			}
			after, err := b.engine.usage(ctx, c.container())
			if err != nil {
				return err
			}
			cores := (after.cpu - before.cpu) / time.Since(started).Seconds()
			before = after
			b.record(p, figIdleMemory, after.memory/(1<<20))
			b.record(p, figIdleCPU, 100*cores)
			b.say("  %.0f MiB, %.1f %% of a core", after.memory/(1<<20), 100*cores)
		}
		return nil
	})
}

// pause lets time pass in which something is measured.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
