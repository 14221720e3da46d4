// Package docker is the container engine as package cluster needs it, over the Docker API. It finds the engine
// as the docker command does, needs API 1.41 (Docker 20.10) or newer, and turns the engine's errors into ones
// that end in a next step.
//
// Where things are: endpoint.go finds the engine, errors.go is the catalogue of what engines say when they
// refuse, spec.go maps cluster's specifications to Docker's, and the other files hold the methods of one part
// of cluster.Engine each.
package docker

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

var _ cluster.Engine = (*Engine)(nil)

// minAPI is the oldest API that has all that a node needs: private cgroup namespaces came with it.
const minAPI = "1.41"

// Engine is a Docker engine. It holds one pool of connections and may be used concurrently.
type Engine struct {
	endpoint endpoint
	client   *client.Client

	mu         sync.Mutex // of negotiated
	negotiated bool

	infoMu sync.Mutex
	info   *system.Info // as first seen: what is read of it does not change while we run
}

// New finds the engine from the environment and Docker's configuration files. It does not connect: the first
// call does, and is the one that fails if the engine cannot be used.
func New() (*Engine, error) {
	ep, err := findEndpoint()
	if err != nil {
		return nil, err
	}
	c, err := ep.client()
	if err != nil {
		return nil, &fault.Error{Code: fault.DockerUnreachable, Summary: fmt.Sprintf("Docker's address %s cannot be used", ep.host),
			Hint: ep.settingHint(), Cause: err}
	}
	return &Engine{endpoint: ep, client: c}, nil
}

// Close closes idle connections.
func (e *Engine) Close() error { return e.client.Close() }

// api returns the client once the version of the API is agreed on, which takes one round trip at the first call.
func (e *Engine) api(ctx context.Context) (*client.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.negotiated {
		return e.client, nil
	}
	ping, err := e.client.Ping(ctx)
	if err != nil {
		return nil, e.explain("reach Docker", err)
	}
	e.client.NegotiateAPIVersionPing(ping)
	if v := e.client.ClientVersion(); versions.LessThan(v, minAPI) {
		return nil, tooOld(v, ping.APIVersion)
	}
	e.negotiated = true
	return e.client, nil
}

// tooOld is the refusal of an engine; offered is what it offers, used what was agreed on, which is older only
// if DOCKER_API_VERSION says so.
func tooOld(used, offered string) error {
	err := &fault.Error{Code: fault.DockerTooOld,
		Summary: fmt.Sprintf("Docker speaks API %s, and Skiff needs %s (Docker 20.10) or newer", used, minAPI),
		Hint:    "Update Docker: https://docs.docker.com/engine/install/"}
	if offered != "" && !versions.LessThan(offered, minAPI) {
		err.Summary = fmt.Sprintf("DOCKER_API_VERSION asks for API %s, and Skiff needs %s or newer", used, minAPI)
		err.Hint = "Unset DOCKER_API_VERSION: Skiff finds the right version by itself."
	}
	return err
}

// daemonInfo returns the engine's description of itself, asking for it once.
func (e *Engine) daemonInfo(ctx context.Context) (system.Info, error) {
	c, err := e.api(ctx)
	if err != nil {
		return system.Info{}, err
	}
	e.infoMu.Lock()
	defer e.infoMu.Unlock()
	if e.info == nil {
		info, err := c.Info(ctx)
		if err != nil {
			return system.Info{}, e.explain("ask Docker for its description", err)
		}
		e.info = &info
	}
	return *e.info, nil
}
