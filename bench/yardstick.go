package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// dRuns is how many containers d takes.
const dRuns = 10

// runLabel is on every container and network of ours.
const runLabel = "dev.skiff.bench"

// measureD measures d: how long `docker run -d --network none` of a scratch container takes. Its median is the
// unit in which figures of different machines can be compared.
func (b *bench) measureD(ctx context.Context) (sample, error) {
	var s sample
	// A run that was interrupted could leave a container that the engine makes a moment later.
	whole := context.WithoutCancel(ctx)
	for range dRuns {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r, err := command(whole, nil, "docker", "run", "-d", "--network", "none", "--label", runLabel+"="+b.id, b.workload.ref, "wait")
		if err != nil {
			return nil, err
		}
		s = append(s, r.wall().Seconds())
		if err := b.removeContainer(whole, strings.TrimSpace(string(r.stdout))); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (b *bench) removeContainer(ctx context.Context, id string) error {
	if err := b.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}); err != nil {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	return nil
}

// removeContainers removes those that a failure left.
func (b *bench) removeContainers(ctx context.Context) error {
	list, err := b.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", runLabel+"="+b.id))})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	var errs []error
	for _, c := range list {
		errs = append(errs, b.removeContainer(ctx, c.ID))
	}
	return errors.Join(errs...)
}

// removeNetworks removes those that a failure left, after the containers in them.
func (b *bench) removeNetworks(ctx context.Context) error {
	list, err := b.engine.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", runLabel+"="+b.id))})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	var errs []error
	for _, n := range list {
		if err := b.engine.NetworkRemove(ctx, n.ID); err != nil {
			errs = append(errs, fmt.Errorf("remove network %s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}
