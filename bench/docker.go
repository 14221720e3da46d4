package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// engine is this machine's Docker.
type engine struct {
	*client.Client
	info system.Info
}

// findEngine asks the docker command where its engine is: `docker run` is the yardstick, so it is here.
func findEngine(ctx context.Context) (*engine, error) {
	r, err := command(ctx, nil, "docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
	if err != nil {
		return nil, fmt.Errorf("find the engine: %w", err)
	}
	c, err := client.NewClientWithOpts(client.WithHost(strings.TrimSpace(string(r.stdout))), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("find the engine: %w", err)
	}
	info, err := c.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the engine for its description: %w", err)
	}
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return nil, err
	}
	if release := unix.ByteSliceToString(kernel.Release[:]); release != info.KernelVersion {
		return nil, fmt.Errorf("the engine runs on kernel %s and this program on %s: measure on the engine's machine", info.KernelVersion, release)
	}
	return &engine{Client: c, info: info}, nil
}

// usage is what a container uses.
type usage struct {
	cpu    float64 // seconds since it was started
	memory float64 // bytes without the page cache that can be dropped, as `docker stats` counts them
}

// usage asks for a container's use at this moment.
func (e *engine) usage(ctx context.Context, name string) (usage, error) {
	answer, err := e.ContainerStatsOneShot(ctx, name)
	if err != nil {
		return usage{}, fmt.Errorf("read the use of container %s: %w", name, err)
	}
	defer answer.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return usage{}, fmt.Errorf("read the use of container %s: %w", name, err)
	}
	return usage{cpu: float64(stats.CPUStats.CPUUsage.TotalUsage) / 1e9, memory: workingSet(stats.MemoryStats)}, nil
}

// workingSet is the memory in use less the page cache that nobody has touched for a while. The kernel calls that
// total_inactive_file in cgroup v1 and inactive_file in cgroup v2 (v1 has the latter too: without the children).
func workingSet(m container.MemoryStats) float64 {
	cache, v1 := m.Stats["total_inactive_file"]
	if !v1 {
		cache = m.Stats["inactive_file"]
	}
	if cache > m.Usage {
		return float64(m.Usage)
	}
	return float64(m.Usage - cache)
}

// loadImage gives the engine what write writes.
func (e *engine) loadImage(ctx context.Context, write func(io.Writer) error) error {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(write(writer)) }()
	defer reader.Close()
	answer, err := e.ImageLoad(ctx, reader, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("load an image: %w", err)
	}
	defer answer.Body.Close()
	// The status of the answer was sent before the load began: a failure is one of the messages.
	for messages := json.NewDecoder(answer.Body); ; {
		var message struct{ Error string }
		if err := messages.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("load an image: %w", err)
		}
		if message.Error != "" {
			return fmt.Errorf("load an image: %s", message.Error)
		}
	}
}

// removeImage removes an image that no container uses. One that is not there is no failure.
func (e *engine) removeImage(ctx context.Context, ref string) error {
	_, err := e.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove image %s: %w", ref, err)
	}
	return nil
}

// hasImage says if an image is there.
func (e *engine) hasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
