package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Info implements cluster.Inspector.
func (e *Engine) Info(ctx context.Context) (cluster.EngineInfo, error) {
	info, err := e.daemonInfo(ctx)
	if err != nil {
		return cluster.EngineInfo{}, err
	}
	warnings := info.Warnings
	told, _ := time.Parse(time.RFC3339Nano, info.SystemTime) // an engine that tells none counts as one from long ago
	if e.endpoint.warning != "" {
		warnings = append([]string{e.endpoint.warning}, warnings...)
	}
	return cluster.EngineInfo{
		Version:       info.ServerVersion,
		APIVersion:    e.client.ClientVersion(),
		Endpoint:      e.endpoint.host,
		Context:       e.endpoint.context,
		Local:         e.endpoint.local(),
		OS:            info.OSType,
		Architecture:  goArch(info.Architecture),
		KernelVersion: info.KernelVersion,
		CgroupVersion: info.CgroupVersion,
		CgroupDriver:  info.CgroupDriver,
		StorageDriver: info.Driver,
		RootDir:       info.DockerRootDir,
		Rootless:      slices.Contains(info.SecurityOptions, "name=rootless"),
		Time:          told,
		CPUs:          info.NCPU,
		MemoryBytes:   info.MemTotal,
		Warnings:      warnings,
	}, nil
}

// goArch translates the machine names of uname, which engines report, to those of Go.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l", "armv6l":
		return "arm"
	case "i386", "i686":
		return "386"
	}
	return machine
}

// byLabel is the filter of a list; all objects if label is "".
func byLabel(label string) filters.Args {
	if label == "" {
		return filters.NewArgs()
	}
	return filters.NewArgs(filters.Arg("label", label))
}

// Containers implements cluster.Inspector.
func (e *Engine) Containers(ctx context.Context, label string) ([]cluster.Container, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	found, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: byLabel(label)})
	if err != nil {
		return nil, e.explain("list containers", err)
	}
	list := make([]cluster.Container, 0, len(found))
	for _, s := range found {
		list = append(list, fromSummary(s))
	}
	return list, nil
}

func fromSummary(s container.Summary) cluster.Container {
	c := cluster.Container{ID: s.ID, Image: s.Image, ImageID: s.ImageID, Labels: s.Labels, State: cluster.NodeState(s.State),
		Created: time.Unix(s.Created, 0), Addresses: map[string]netip.Addr{}, Addresses6: map[string]netip.Addr{}}
	for _, name := range s.Names {
		// Links show up as further names, "/other/alias".
		if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") {
			c.Name = name
		}
	}
	if s.NetworkSettings != nil {
		for name, ep := range s.NetworkSettings.Networks {
			if ep == nil {
				continue
			}
			configured := network.EndpointIPAMConfig{}
			if ep.IPAMConfig != nil {
				configured = *ep.IPAMConfig
			}
			c.Addresses[name] = firstAddress(ep.IPAddress, configured.IPv4Address)
			if addr := firstAddress(ep.GlobalIPv6Address, configured.IPv6Address); addr.IsValid() {
				c.Addresses6[name] = addr
			}
		}
	}
	for _, p := range s.Ports {
		if p.PublicPort != 0 {
			c.Ports = append(c.Ports, cluster.Port{HostIP: p.IP, HostPort: p.PublicPort, ContainerPort: p.PrivatePort, Protocol: p.Type})
		}
	}
	return c
}

// firstAddress is the address a container has on a network, or else the one it will have when it is started.
func firstAddress(has, willHave string) netip.Addr {
	for _, text := range []string{has, willHave} {
		if addr, err := netip.ParseAddr(text); err == nil {
			return addr
		}
	}
	return netip.Addr{}
}

// Networks implements cluster.Inspector.
func (e *Engine) Networks(ctx context.Context, label string) ([]cluster.Network, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	found, err := c.NetworkList(ctx, network.ListOptions{Filters: byLabel(label)})
	if err != nil {
		return nil, e.explain("list networks", err)
	}
	list := make([]cluster.Network, 0, len(found))
	for _, n := range found {
		entry := cluster.Network{ID: n.ID, Name: n.Name, Labels: n.Labels}
		for _, c := range n.IPAM.Config {
			if subnet, err := netip.ParsePrefix(c.Subnet); err == nil {
				entry.Subnets = append(entry.Subnets, subnet)
			}
		}
		list = append(list, entry)
	}
	return list, nil
}

// Volumes implements cluster.Inspector.
func (e *Engine) Volumes(ctx context.Context, label string) ([]cluster.Volume, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	found, err := c.VolumeList(ctx, volume.ListOptions{Filters: byLabel(label)})
	if err != nil {
		return nil, e.explain("list volumes", err)
	}
	list := make([]cluster.Volume, 0, len(found.Volumes))
	for _, v := range found.Volumes {
		list = append(list, cluster.Volume{Name: v.Name, Labels: v.Labels})
	}
	return list, nil
}

// Inspect implements cluster.Inspector.
func (e *Engine) Inspect(ctx context.Context, kind cluster.ObjectKind, name string) (json.RawMessage, error) {
	c, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	var raw []byte
	switch kind {
	case cluster.KindContainer:
		_, raw, err = c.ContainerInspectWithRaw(ctx, name, false)
	case cluster.KindNetwork:
		_, raw, err = c.NetworkInspectWithRaw(ctx, name, network.InspectOptions{})
	case cluster.KindVolume:
		_, raw, err = c.VolumeInspectWithRaw(ctx, name)
	case cluster.KindImage:
		var buf bytes.Buffer
		_, err = c.ImageInspect(ctx, name, client.ImageInspectWithRawResponse(&buf))
		raw = buf.Bytes()
	default:
		return nil, &fault.Error{Code: fault.Internal, Summary: fmt.Sprintf("there is no kind of object %q", kind)}
	}
	if err != nil {
		return nil, e.explain(fmt.Sprintf("inspect %s %s", kind, name), err)
	}
	return raw, nil
}
