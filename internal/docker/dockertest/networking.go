package dockertest

import (
	"net/netip"
	"slices"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// connect checks the addresses of a container that is being started, and gives it one of IPv4 if it has none and the
// network has a subnet. The caller holds mu.
func (e *Engine) connect(c *container) error {
	if c.spec.Network == "" {
		return nil
	}
	network := e.networks[c.spec.Network]
	if network == nil {
		return notFound("network", c.spec.Network)
	}
	for _, address := range c.addresses() {
		if !slices.ContainsFunc(network.Subnets, func(p netip.Prefix) bool { return p.Contains(address) }) {
			return &fault.Error{Code: fault.DockerRefused, Summary: "network " + network.Name + " does not carry address " + address.String(),
				Hint: "Choose an address of one of its subnets."}
		}
		for _, other := range e.containers {
			if other.process != nil && other.spec.Network == c.spec.Network && slices.Contains(other.addresses(), address) {
				return conflict("address %s is already in use on network %s", address, network.Name)
			}
		}
	}
	if pool := e.dynamic[network.Name]; !c.spec.Address.IsValid() && pool.IsValid() {
		taken := map[netip.Addr]bool{network.Subnets[0].Addr(): true, network.Subnets[0].Addr().Next(): true}
		for _, other := range e.containers {
			for _, address := range other.addresses() {
				taken[address] = taken[address] || other.process != nil && other.spec.Network == network.Name
			}
		}
		c.dynamic = pool.Addr()
		for taken[c.dynamic] {
			c.dynamic = c.dynamic.Next()
		}
		if !pool.Contains(c.dynamic) {
			c.dynamic = netip.Addr{}
			return conflict("no available IPv4 addresses on network %s", network.Name)
		}
	}
	return nil
}

// addresses are those of a container, fixed and not.
func (c *container) addresses() []netip.Addr {
	return slices.DeleteFunc([]netip.Addr{c.spec.Address, c.spec.Address6, c.dynamic}, func(a netip.Addr) bool { return !a.IsValid() })
}

// Lookup is what the engine's DNS answers a container: the addresses of the running containers on its network
// that have a name or an alias, in order.
func (e *Engine) Lookup(containerName, name string) []netip.Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.find(containerName)
	if err != nil || c.spec.Network == "" {
		return nil
	}
	var found []netip.Addr
	for _, other := range e.containers {
		if other.process != nil && other.spec.Network == c.spec.Network && (other.spec.Name == name || slices.Contains(other.spec.Aliases, name)) {
			found = append(found, other.addresses()...)
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return found
}
