package main

import (
	"context"
	"fmt"
	"time"
)

// other is the container of another node of one of our clusters than the first.
func (c *cluster) other(node string) string { return "skiff-" + c.name + "-" + node }

// measureMany creates clusters of three servers and two agents, and watches the last of them when it is idle.
func (b *bench) measureMany(ctx context.Context, p *product) error {
	for i := range b.iterations {
		c := b.newCluster(p)
		made, err := b.create(ctx, c, "--servers", "3", "--agents", "2")
		if err != nil {
			return err
		}
		b.record(p, figMany, made.wall().Seconds())
		b.say("  create %.2f s", made.wall().Seconds())
		if i == b.iterations-1 && (b.wanted(figAgentMemory) || b.wanted(figAgentCPU) || b.wanted(figEdgeMemory)) {
			if err := b.watchOthers(ctx, p, c); err != nil {
				return err
			}
		}
		if _, err := b.delete(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// measureTen creates clusters of ten nodes, which is where hosts' limits on inotify instances and open files are felt.
func (b *bench) measureTen(ctx context.Context, p *product) error {
	for range b.iterations {
		c := b.newCluster(p)
		made, err := b.create(ctx, c, "--agents", "9")
		if err != nil {
			return err
		}
		b.record(p, figTen, made.wall().Seconds())
		b.say("  create %.2f s", made.wall().Seconds())
		if _, err := b.delete(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// watchOthers watches an agent and the edge.
func (b *bench) watchOthers(ctx context.Context, p *product, c *cluster) error {
	if err := pause(ctx, b.settle); err != nil {
		return err
	}
	before, err := b.engine.usage(ctx, c.other("agent-1"))
	if err != nil {
		return err
	}
	for range min(b.iterations, idleTimes) {
		started := time.Now()
		if err := pause(ctx, b.window); err != nil {
			return err
		}
		agent, err := b.engine.usage(ctx, c.other("agent-1"))
		if err != nil {
			return err
		}
		edge, err := b.engine.usage(ctx, c.other("edge-1"))
		if err != nil {
			return err
		}
		cores := (agent.cpu - before.cpu) / time.Since(started).Seconds()
		before = agent
		b.record(p, figAgentMemory, agent.memory/(1<<20))
		b.record(p, figAgentCPU, 100*cores)
		b.record(p, figEdgeMemory, edge.memory/(1<<20))
		b.say("  agent %.0f MiB, %.1f %% of a core; edge %.0f MiB", agent.memory/(1<<20), 100*cores, edge.memory/(1<<20))
	}
	return nil
}

// measureAddAgent adds agents to a cluster of one server.
func (b *bench) measureAddAgent(ctx context.Context, p *product) error {
	return b.with(ctx, p, func(c *cluster) error {
		for range b.iterations {
			added, err := command(ctx, c.env(), p.addAgent(c.name)...)
			if err != nil {
				return fmt.Errorf("add an agent: %w", err)
			}
			b.record(p, figAddAgent, added.wall().Seconds())
			b.say("  an agent is Ready after %.2f s", added.wall().Seconds())
		}
		return nil
	})
}
