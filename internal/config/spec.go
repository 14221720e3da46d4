package config

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Spec is the cluster that a file asks for, in the terms of package cluster. The file must have been loaded, which
// validates it; reading an authority's file is all that can fail.
func (c *Cluster) Spec() (cluster.Spec, error) {
	k := c.Kubernetes
	spec := cluster.Spec{
		Name: c.Metadata.Name, Ephemeral: k.Ephemeral, ImageRef: k.Image, APIAddress: c.API.Address, APIPort: uint16(c.API.Port),
		Settings: nodeapi.Settings{
			FeatureGates: k.FeatureGates, RuntimeConfig: k.RuntimeConfig, ExtraArgs: k.ExtraArgs.byName(),
			ContainerdPatches: c.Containerd.ConfigPatches,
		},
	}
	if f := k.NodeFailure; f.NotReadyAfter != nil && f.EvictAfter != nil {
		spec.Settings.NodeFailure = nodeapi.NodeFailure{NotReadyAfter: f.NotReadyAfter.Duration, EvictAfter: f.EvictAfter.Duration}
	}
	var err error
	if spec.Networks, err = c.Network.networks(); err != nil {
		return spec, err
	}
	for _, r := range c.Registries {
		registry := nodeapi.Registry{Host: r.Host, Mirrors: r.Mirrors, SkipVerify: r.SkipVerify}
		if r.CA != "" {
			pem, err := os.ReadFile(r.CA)
			if err != nil {
				return spec, err
			}
			registry.CA = string(pem)
		}
		spec.Settings.Registries = append(spec.Settings.Registries, registry)
	}
	for _, g := range c.Nodes {
		group, err := g.group()
		if err != nil {
			return spec, err
		}
		spec.Groups = append(spec.Groups, group)
	}
	return spec, nil
}

func (n Network) networks() (networks cluster.Networks, err error) {
	for _, list := range []struct {
		from []string
		to   *[]netip.Prefix
	}{{n.PodCIDRs, &networks.PodCIDRs}, {n.ServiceCIDRs, &networks.ServiceCIDRs}, {n.Subnets, &networks.Subnets}} {
		for _, text := range list.from {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return networks, err
			}
			*list.to = append(*list.to, prefix)
		}
	}
	return networks, nil
}

func (g *NodeGroup) group() (group cluster.Group, err error) {
	group = cluster.Group{Role: nodeapi.Role(g.Role), Count: g.Count, Labels: g.Labels}
	if g.Taints != nil { // none, as opposed to the role's own
		group.Taints = []nodeapi.Taint{}
	}
	for _, t := range g.Taints {
		group.Taints = append(group.Taints, nodeapi.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect})
	}
	if group.CPUMillis, err = g.CPUs.millis(); err != nil {
		return group, err
	}
	if group.MemoryBytes, err = g.Memory.bytes(); err != nil {
		return group, err
	}
	for _, m := range g.Mounts {
		group.Binds = append(group.Binds, cluster.Bind{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	for _, p := range g.Ports {
		group.Ports = append(group.Ports, cluster.Port{HostIP: p.HostAddress, HostPort: uint16(p.HostPort), ContainerPort: uint16(p.NodePort), Protocol: strings.ToLower(p.Protocol)})
	}
	return group, nil
}

// byName are the arguments by the components' own names, nil if there are none.
func (a *ExtraArgs) byName() map[string]map[string]string {
	var all map[string]map[string]string
	fields := a.byComponent()
	for component, field := range cluster.ArgsFields {
		args := fields[field.Name]
		if len(*args) == 0 {
			continue
		}
		if all == nil {
			all = map[string]map[string]string{}
		}
		all[component] = *args
	}
	return all
}

func (q Quantity) millis() (int64, error) {
	parsed, err := q.parse()
	return parsed.MilliValue(), err
}

func (q Quantity) bytes() (int64, error) {
	parsed, err := q.parse()
	return parsed.Value(), err
}

// parse reads a quantity; none is zero.
func (q Quantity) parse() (resource.Quantity, error) {
	if q == "" {
		return resource.Quantity{}, nil
	}
	parsed, err := resource.ParseQuantity(string(q))
	if err != nil {
		return resource.Quantity{}, fmt.Errorf("%q: %w", q, err)
	}
	return parsed, nil
}
