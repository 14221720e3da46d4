package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// CreateNetwork implements cluster.Provisioner.
func (e *Engine) CreateNetwork(ctx context.Context, spec cluster.NetworkSpec) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	_, err = c.NetworkCreate(ctx, spec.Name, networkOptions(spec))
	return e.explain("create network "+spec.Name, err)
}

// CreateVolume implements cluster.Provisioner. Docker gives back a volume that exists as if it were new, so its
// labels decide whose it is.
func (e *Engine) CreateVolume(ctx context.Context, spec cluster.VolumeSpec) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	v, err := c.VolumeCreate(ctx, volume.CreateOptions{Name: spec.Name, Labels: spec.Labels})
	if err != nil {
		return e.explain("create volume "+spec.Name, err)
	}
	if !maps.Equal(v.Labels, spec.Labels) {
		return &fault.Error{Code: fault.Conflict, Summary: fmt.Sprintf("cannot create volume %s: there is one that belongs to something else", spec.Name),
			Hint: fmt.Sprintf("Remove it with 'docker volume rm %s', or take another name.", spec.Name)}
	}
	return nil
}

// CreateContainer implements cluster.Provisioner.
func (e *Engine) CreateContainer(ctx context.Context, spec cluster.ContainerSpec) (string, error) {
	op := "create container " + spec.Name
	info, err := e.daemonInfo(ctx)
	if err != nil {
		return "", err
	}
	config, host, networking, err := containerConfig(spec, info.LoggingDriver)
	if err != nil {
		return "", e.explain(op, err)
	}
	created, err := e.client.ContainerCreate(ctx, config, host, networking, nil, spec.Name)
	return created.ID, e.explain(op, err)
}

// StartContainer implements cluster.Provisioner.
func (e *Engine) StartContainer(ctx context.Context, name string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	return e.explain("start container "+name, c.ContainerStart(ctx, name, container.StartOptions{}))
}

// StopContainer implements cluster.Provisioner.
func (e *Engine) StopContainer(ctx context.Context, name string, grace time.Duration) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	return e.explain("stop container "+name, c.ContainerStop(ctx, name, container.StopOptions{Timeout: seconds(grace)}))
}

// PauseContainer implements cluster.Provisioner.
func (e *Engine) PauseContainer(ctx context.Context, name string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	return e.explain("pause container "+name, c.ContainerPause(ctx, name))
}

// UnpauseContainer implements cluster.Provisioner.
func (e *Engine) UnpauseContainer(ctx context.Context, name string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	return e.explain("unpause container "+name, c.ContainerUnpause(ctx, name))
}

// RenameContainer implements cluster.Provisioner.
func (e *Engine) RenameContainer(ctx context.Context, containerName, name string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	err = c.ContainerRename(ctx, containerName, name)
	if err != nil && strings.Contains(err.Error(), "same name as its current name") {
		return nil
	}
	return e.explain(fmt.Sprintf("rename container %s to %s", containerName, name), err)
}

// RemoveContainer implements cluster.Provisioner.
func (e *Engine) RemoveContainer(ctx context.Context, name string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	err = c.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
		err = e.awaitRemoval(ctx, name)
	}
	return e.explain("remove container "+name, err)
}

// awaitRemoval waits until the removal of a container that someone else began has ended.
func (e *Engine) awaitRemoval(ctx context.Context, name string) error {
	removed, failed := e.client.ContainerWait(ctx, name, container.WaitConditionRemoved)
	select {
	case r := <-removed:
		if r.Error != nil {
			return errors.New(r.Error.Message)
		}
		return nil
	case err := <-failed:
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		return err
	}
}

// RemoveNetwork implements cluster.Provisioner.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	return e.explain("remove network "+name, c.NetworkRemove(ctx, name))
}

// RemoveVolume implements cluster.Provisioner.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	return e.explain("remove volume "+name, c.VolumeRemove(ctx, name, false))
}

// CopyTo implements cluster.Provisioner.
func (e *Engine) CopyTo(ctx context.Context, containerName, dir string, tar io.Reader) error {
	c, err := e.api(ctx)
	if err != nil {
		return err
	}
	body := &source{r: tar}
	err = c.CopyToContainer(ctx, containerName, dir, body, container.CopyToContainerOptions{})
	return e.explainUpload(fmt.Sprintf("copy files to %s:%s", containerName, dir), body, err)
}
