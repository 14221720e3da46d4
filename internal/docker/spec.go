package docker

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// Nodes write their events to standard output for as long as they live, so what Docker keeps of it is limited.
// The options are those of the json-file driver; other drivers refuse them.
const jsonFileDriver = "json-file"

var jsonFileOptions = map[string]string{"max-size": "10m", "max-file": "2"}

// containerConfig maps a specification to the three parts of Docker's. logDriver is the engine's default.
func containerConfig(spec cluster.ContainerSpec, logDriver string) (*container.Config, *container.HostConfig, *network.NetworkingConfig, error) {
	exposed, bindings, err := ports(spec.Ports)
	if err != nil {
		return nil, nil, nil, err
	}
	config := &container.Config{
		Hostname:     spec.Hostname,
		Image:        spec.Image,
		Cmd:          spec.Cmd,
		Env:          spec.Env,
		Labels:       spec.Labels,
		ExposedPorts: exposed,
		StopSignal:   spec.StopSignal,
	}
	if spec.StopTimeout > 0 {
		config.StopTimeout = seconds(spec.StopTimeout)
	}
	host := &container.HostConfig{
		CapDrop:       []string{"ALL"},
		CapAdd:        spec.Capabilities,
		SecurityOpt:   spec.SecurityOpts,
		Mounts:        mounts(spec.Volumes),
		Tmpfs:         spec.Tmpfs,
		PortBindings:  bindings,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(spec.Restart)},
		NetworkMode:   container.NetworkMode(spec.Network),
	}
	if spec.UnmaskedPaths {
		// Empty lists, because nil means Docker's own.
		host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{}
	}
	if spec.PrivateCgroupNS {
		host.CgroupnsMode = container.CgroupnsModePrivate
	}
	if logDriver == jsonFileDriver {
		host.LogConfig = container.LogConfig{Type: jsonFileDriver, Config: jsonFileOptions}
	}
	return config, host, networking(spec), nil
}

// networking fixes a container's address on its network.
func networking(spec cluster.ContainerSpec) *network.NetworkingConfig {
	if spec.Network == "" {
		return nil
	}
	ep := &network.EndpointSettings{}
	if spec.Address.IsValid() {
		ep.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: spec.Address.String()}
		if spec.Address.Is6() {
			ep.IPAMConfig = &network.EndpointIPAMConfig{IPv6Address: spec.Address.String()}
		}
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{spec.Network: ep}}
}

func ports(published []cluster.Port) (nat.PortSet, nat.PortMap, error) {
	exposed, bindings := nat.PortSet{}, nat.PortMap{}
	for _, p := range published {
		proto := p.Protocol
		if proto == "" {
			proto = "tcp"
		}
		port, err := nat.NewPort(proto, strconv.Itoa(int(p.ContainerPort)))
		if err != nil {
			return nil, nil, fmt.Errorf("port %d: %w", p.ContainerPort, err)
		}
		binding := nat.PortBinding{HostIP: p.HostIP}
		if p.HostPort != 0 { // else Docker chooses
			binding.HostPort = strconv.Itoa(int(p.HostPort))
		}
		exposed[port] = struct{}{}
		bindings[port] = append(bindings[port], binding)
	}
	return exposed, bindings, nil
}

// mounts mounts named volumes as they are: without NoCopy Docker would first copy the image's files there.
func mounts(volumes map[string]string) []mount.Mount {
	var list []mount.Mount
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		list = append(list, mount.Mount{Type: mount.TypeVolume, Source: name, Target: volumes[name],
			VolumeOptions: &mount.VolumeOptions{NoCopy: true}})
	}
	return list
}

// seconds rounds up to what Docker counts in, so that a short grace does not become none.
func seconds(d time.Duration) *int {
	s := int(math.Ceil(d.Seconds()))
	return &s
}
