package dockertest

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Info implements cluster.Inspector.
func (e *Engine) Info(ctx context.Context) (cluster.EngineInfo, error) {
	end, err := e.begin(ctx, "Info", "")
	if err != nil {
		return cluster.EngineInfo{}, err
	}
	e.mu.Lock()
	info := e.info
	e.mu.Unlock()
	if info.Time.IsZero() {
		info.Time = time.Now()
	}
	return info, end(nil)
}

// hasLabel says if labels match "key" or "key=value"; an empty selector matches all.
func hasLabel(labels map[string]string, selector string) bool {
	if selector == "" {
		return true
	}
	key, want, withValue := strings.Cut(selector, "=")
	value, ok := labels[key]
	return ok && (!withValue || value == want)
}

// Containers implements cluster.Inspector.
func (e *Engine) Containers(ctx context.Context, label string) ([]cluster.Container, error) {
	end, err := e.begin(ctx, "Containers", label)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	var list []cluster.Container
	for _, c := range sortedValues(e.containers) {
		if hasLabel(c.spec.Labels, label) {
			d := c.describe()
			if i := e.findImage(c.spec.Image); i != nil {
				d.ImageID = i.ID
			}
			list = append(list, d)
		}
	}
	e.mu.Unlock()
	return list, end(nil)
}

func (c *container) describe() cluster.Container {
	d := cluster.Container{ID: c.id, Name: c.spec.Name, Image: c.spec.Image, Labels: maps.Clone(c.spec.Labels),
		State: cluster.NodeState(c.state), Created: c.created, Addresses: map[string]netip.Addr{}, Addresses6: map[string]netip.Addr{}}
	if c.spec.Network != "" {
		d.Addresses[c.spec.Network] = c.spec.Address
		if c.dynamic.IsValid() {
			d.Addresses[c.spec.Network] = c.dynamic
		}
		if c.spec.Address6.IsValid() {
			d.Addresses6[c.spec.Network] = c.spec.Address6
		}
	}
	if c.process != nil { // Docker lists the ports of running containers only
		d.Ports = c.spec.Ports
	}
	return d
}

// Networks implements cluster.Inspector.
func (e *Engine) Networks(ctx context.Context, label string) ([]cluster.Network, error) {
	end, err := e.begin(ctx, "Networks", label)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	var list []cluster.Network
	for _, n := range sortedValues(e.networks) {
		if hasLabel(n.Labels, label) {
			list = append(list, *n)
		}
	}
	e.mu.Unlock()
	return list, end(nil)
}

// Volumes implements cluster.Inspector.
func (e *Engine) Volumes(ctx context.Context, label string) ([]cluster.Volume, error) {
	end, err := e.begin(ctx, "Volumes", label)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	var list []cluster.Volume
	for _, v := range sortedValues(e.volumes) {
		if hasLabel(v.Labels, label) {
			list = append(list, v.Volume)
		}
	}
	e.mu.Unlock()
	return list, end(nil)
}

// Inspect implements cluster.Inspector.
func (e *Engine) Inspect(ctx context.Context, kind cluster.ObjectKind, name string) (json.RawMessage, error) {
	end, err := e.begin(ctx, "Inspect", string(kind)+" "+name)
	if err != nil {
		return nil, err
	}
	raw, err := e.inspect(kind, name)
	return raw, end(err)
}

func (e *Engine) inspect(kind cluster.ObjectKind, name string) (json.RawMessage, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var object any
	switch kind {
	case cluster.KindContainer:
		c, err := e.find(name)
		if err != nil {
			return nil, err
		}
		object = c.inspect()
	case cluster.KindNetwork:
		if n := e.findNetwork(name); n != nil {
			object = map[string]any{"Id": n.ID, "Name": n.Name, "Labels": n.Labels,
				"EnableIPv6": slices.ContainsFunc(n.Subnets, func(p netip.Prefix) bool { return p.Addr().Is6() })}
		}
	case cluster.KindVolume:
		if v, ok := e.volumes[name]; ok {
			object = map[string]any{"Name": v.Name, "Labels": v.Labels}
		}
	case cluster.KindImage:
		if image := e.findImage(name); image != nil {
			object = map[string]any{"Id": image.ID, "RepoTags": image.Tags}
		}
	}
	if object == nil {
		return nil, notFound(string(kind), name)
	}
	return json.Marshal(object)
}

// inspect is the part of Docker's description of a container that its specification determines.
func (c *container) inspect() map[string]any {
	var mounts []map[string]any
	for _, name := range slices.Sorted(maps.Keys(c.spec.Volumes)) {
		mounts = append(mounts, map[string]any{"Type": "volume", "Source": name, "Target": c.spec.Volumes[name]})
	}
	for _, b := range c.spec.Binds {
		mounts = append(mounts, map[string]any{"Type": "bind", "Source": b.Source, "Target": b.Target, "ReadOnly": b.ReadOnly})
	}
	networks := map[string]any{}
	if c.spec.Network != "" {
		networks[c.spec.Network] = map[string]any{"Aliases": c.spec.Aliases}
	}
	return map[string]any{"Id": c.id, "Name": "/" + c.spec.Name,
		"State":  map[string]any{"Status": c.state, "Running": c.process != nil, "Paused": c.state == "paused", "ExitCode": c.exitCode},
		"Config": map[string]any{"Image": c.spec.Image, "Labels": c.spec.Labels, "Env": c.spec.Env},
		"HostConfig": map[string]any{"NanoCpus": c.spec.CPUMillis * 1e6, "Memory": c.spec.MemoryBytes, "MemorySwap": c.spec.MemoryBytes,
			"Mounts": mounts},
		"NetworkSettings": map[string]any{"Networks": networks}}
}

// CreateNetwork implements cluster.Provisioner.
func (e *Engine) CreateNetwork(ctx context.Context, spec cluster.NetworkSpec) error {
	end, err := e.begin(ctx, "CreateNetwork", spec.Name)
	if err != nil {
		return err
	}
	return end(e.createNetwork(spec))
}

func (e *Engine) createNetwork(spec cluster.NetworkSpec) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.networks[spec.Name]; ok {
		return conflict("network with name %s already exists", spec.Name)
	}
	n := &cluster.Network{ID: e.id(), Name: spec.Name, Labels: maps.Clone(spec.Labels)}
	for _, wanted := range []netip.Prefix{spec.Subnet, spec.Subnet6} {
		if !wanted.IsValid() {
			continue
		}
		for _, other := range e.networks {
			if slices.ContainsFunc(other.Subnets, wanted.Overlaps) {
				return &fault.Error{Code: fault.NetworkOverlap, Summary: "the subnet " + wanted.String() + " overlaps with network " + other.Name,
					Hint: "Remove that network, or choose another subnet."}
			}
		}
		n.Subnets = append(n.Subnets, wanted)
	}
	e.networks[spec.Name] = n
	e.dynamic[spec.Name] = spec.Dynamic
	if !spec.Dynamic.IsValid() {
		e.dynamic[spec.Name] = spec.Subnet
	}
	return nil
}

// CreateVolume implements cluster.Provisioner.
func (e *Engine) CreateVolume(ctx context.Context, spec cluster.VolumeSpec) error {
	end, err := e.begin(ctx, "CreateVolume", spec.Name)
	if err != nil {
		return err
	}
	e.mu.Lock()
	if v, ok := e.volumes[spec.Name]; !ok {
		e.volumes[spec.Name] = &volume{cluster.Volume{Name: spec.Name, Labels: maps.Clone(spec.Labels)}, fileTree{}}
	} else if !maps.Equal(v.Labels, spec.Labels) {
		err = conflict("a volume %s exists already", spec.Name)
	}
	e.mu.Unlock()
	return end(err)
}

// RemoveNetwork implements cluster.Provisioner.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	end, err := e.begin(ctx, "RemoveNetwork", name)
	if err != nil {
		return err
	}
	return end(e.removeNetwork(name))
}

func (e *Engine) removeNetwork(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.findNetwork(name)
	if n == nil {
		return notFound("network", name)
	}
	for _, c := range e.containers {
		if c.process != nil && c.spec.Network == n.Name {
			return conflict("network %s has active endpoints", name)
		}
	}
	delete(e.networks, n.Name)
	return nil
}

// findNetwork finds a network by name or ID; nil if there is none. The caller holds mu.
func (e *Engine) findNetwork(name string) *cluster.Network {
	if n, ok := e.networks[name]; ok {
		return n
	}
	for _, n := range e.networks {
		if n.ID == name {
			return n
		}
	}
	return nil
}

// RemoveVolume implements cluster.Provisioner.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	end, err := e.begin(ctx, "RemoveVolume", name)
	if err != nil {
		return err
	}
	return end(e.removeVolume(name))
}

func (e *Engine) removeVolume(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.volumes[name]; !ok {
		return notFound("volume", name)
	}
	for _, c := range e.containers {
		if _, ok := c.spec.Volumes[name]; ok {
			return conflict("volume %s is in use by container %s", name, c.spec.Name)
		}
	}
	delete(e.volumes, name)
	return nil
}
