package enginetest

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// testIPv6 makes a network of both families, and containers with fixed addresses of both.
func (s *suite) testIPv6(t *testing.T) {
	network := s.createNetwork(t, "dual", true)
	name, subnet, subnet6 := network.Name, network.Subnet, network.Subnet6
	list, err := s.Networks(t.Context(), s.label)
	s.must(t, err)
	if len(list) != 1 || !slices.Contains(list[0].Subnets, subnet) || !slices.Contains(list[0].Subnets, subnet6) {
		t.Errorf("%+v", list)
	}
	spec := s.spec("dual", "serve")
	spec.Network, spec.Address, spec.Address6, spec.Aliases = name, nth(subnet, 77), nth(subnet6, 77), []string{"alias." + s.name}
	check := func(when string) {
		c := s.container(t, spec.Name)
		if c.Addresses[name] != spec.Address || c.Addresses6[name] != spec.Address6 {
			t.Errorf("%s it has %v and %v", when, c.Addresses, c.Addresses6)
		}
	}
	s.create(t, spec)
	check("before it starts")
	s.restart(t, spec.Name)
	check("while it runs")
	s.resolves(t, spec.Name, spec.Aliases[0], spec.Address, spec.Address6)
	t.Run("an address is taken once", func(t *testing.T) {
		second := s.spec("dual-2", "serve")
		second.Network, second.Address, second.Address6 = name, nth(subnet, 78), spec.Address6
		s.create(t, second)
		s.want(t, s.StartContainer(t.Context(), second.Name), fault.Conflict)
	})
	t.Run("an address of no subnet", func(t *testing.T) {
		other := s.spec("dual-off", "serve")
		other.Network, other.Address, other.Address6 = name, nth(subnet, 79), netip.MustParseAddr("2001:db8::79")
		s.want(t, s.createAndStart(t, other), fault.DockerRefused)
	})
	t.Run("subnets do not overlap", func(t *testing.T) {
		part := netip.PrefixFrom(subnet6.Addr(), 80)
		s.want(t, s.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: name + "-2", Labels: s.labels, Subnet6: part}), fault.NetworkOverlap)
	})
	s.must(t, s.StopContainer(t.Context(), spec.Name, 0))
	check("when it has stopped")
}
