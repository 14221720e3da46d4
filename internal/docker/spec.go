package docker

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
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
		Mounts:        mounts(spec),
		Tmpfs:         spec.Tmpfs,
		PortBindings:  bindings,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(spec.Restart)},
		NetworkMode:   container.NetworkMode(spec.Network),
		Resources:     resources(spec),
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

// resources limits what a container may use. The limit of memory and swap together is that of memory, because
// otherwise Docker lets a container have as much swap again.
func resources(spec cluster.ContainerSpec) container.Resources {
	return container.Resources{NanoCPUs: spec.CPUMillis * 1e6, Memory: spec.MemoryBytes, MemorySwap: spec.MemoryBytes}
}

// networkOptions maps the specification of a network to Docker's.
func networkOptions(spec cluster.NetworkSpec) network.CreateOptions {
	options := network.CreateOptions{Driver: "bridge", Labels: spec.Labels}
	var subnets []network.IPAMConfig
	if spec.Subnet.IsValid() {
		subnets = append(subnets, ipam(spec.Subnet, spec.Dynamic))
	}
	if spec.Subnet6.IsValid() {
		options.EnableIPv6 = new(bool)
		*options.EnableIPv6 = true
		subnets = append(subnets, ipam(spec.Subnet6, spec.Dynamic6))
	}
	if len(subnets) > 0 {
		options.IPAM = &network.IPAM{Config: subnets}
	}
	return options
}

// ipam is a subnet for Docker. The bridge has the first address; without a word it would get one of the dynamic ones.
func ipam(subnet, dynamic netip.Prefix) network.IPAMConfig {
	config := network.IPAMConfig{Subnet: subnet.String()}
	if dynamic.IsValid() {
		config.IPRange, config.Gateway = dynamic.String(), subnet.Addr().Next().String()
	}
	return config
}

// networking gives a container its addresses and further names on its network.
func networking(spec cluster.ContainerSpec) *network.NetworkingConfig {
	if spec.Network == "" {
		return nil
	}
	ep := &network.EndpointSettings{Aliases: spec.Aliases}
	if spec.Address.IsValid() || spec.Address6.IsValid() {
		ep.IPAMConfig = &network.EndpointIPAMConfig{}
	}
	if spec.Address.IsValid() {
		ep.IPAMConfig.IPv4Address = spec.Address.String()
	}
	if spec.Address6.IsValid() {
		ep.IPAMConfig.IPv6Address = spec.Address6.String()
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

// mounts mounts named volumes as they are: without NoCopy Docker would first copy the image's files there. Binds
// are mounts and not HostConfig.Binds, for which Docker makes a directory where there is none.
func mounts(spec cluster.ContainerSpec) []mount.Mount {
	var list []mount.Mount
	for _, name := range slices.Sorted(maps.Keys(spec.Volumes)) {
		list = append(list, mount.Mount{Type: mount.TypeVolume, Source: name, Target: spec.Volumes[name],
			VolumeOptions: &mount.VolumeOptions{NoCopy: true}})
	}
	for _, b := range spec.Binds {
		list = append(list, mount.Mount{Type: mount.TypeBind, Source: b.Source, Target: b.Target, ReadOnly: b.ReadOnly})
	}
	return list
}

// seconds rounds up to what Docker counts in, so that a short grace does not become none.
func seconds(d time.Duration) *int {
	s := int(math.Ceil(d.Seconds()))
	return &s
}
