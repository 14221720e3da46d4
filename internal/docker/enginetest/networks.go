package enginetest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// network creates a network with a subnet that nothing else has, and removes it after the test.
func (s *suite) network(t *testing.T, name string) (string, netip.Prefix) {
	t.Helper()
	spec := s.createNetwork(t, name, false)
	return spec.Name, spec.Subnet
}

// createNetwork is network for IPv6 as well; then it skips the test if the engine has none.
func (s *suite) createNetwork(t *testing.T, name string, ipv6 bool) cluster.NetworkSpec {
	t.Helper()
	spec := cluster.NetworkSpec{Name: s.name + "-" + name, Labels: s.labels}
	for range 20 {
		spec.Subnet = netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", 64+rand.IntN(128), rand.IntN(256)))
		if ipv6 {
			spec.Subnet6 = netip.MustParsePrefix(fmt.Sprintf("fd00:%x:%x:1::/64", 1+rand.IntN(0xffff), 1+rand.IntN(0xffff)))
		}
		err := s.CreateNetwork(t.Context(), spec)
		switch {
		case fault.CodeOf(err) == fault.NetworkOverlap:
			continue
		case ipv6 && fault.CodeOf(err) == fault.DockerRefused && s.executable != "":
			t.Skip(err)
		}
		s.must(t, err)
		t.Cleanup(func() { s.cleanUp(t, s.RemoveNetwork(context.Background(), spec.Name)) })
		return spec
	}
	t.Fatal("there is no free subnet")
	return spec
}

func (s *suite) testNetwork(t *testing.T) {
	name, subnet := s.network(t, "net")
	list, err := s.Networks(t.Context(), s.label)
	s.must(t, err)
	if len(list) != 1 || list[0].Name != name || list[0].ID == "" || !slices.Equal(list[0].Subnets, []netip.Prefix{subnet}) || !maps.Equal(list[0].Labels, s.labels) {
		t.Fatalf("%+v", list)
	}
	t.Run("a name is taken once", func(t *testing.T) {
		s.want(t, s.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: name, Labels: s.labels}), fault.Conflict)
	})
	t.Run("subnets do not overlap", func(t *testing.T) {
		part := netip.PrefixFrom(subnet.Addr(), 26)
		s.want(t, s.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: name + "-2", Labels: s.labels, Subnet: part}), fault.NetworkOverlap)
	})
	t.Run("labels", func(t *testing.T) {
		for label, want := range map[string]int{labelRun: 1, s.label + "x": 0} {
			list, err := s.Networks(t.Context(), label)
			s.must(t, err)
			if n := len(slices.DeleteFunc(list, func(n cluster.Network) bool { return n.Name != name })); n != want {
				t.Errorf("label %q finds %d", label, n)
			}
		}
	})
	t.Run("fixed address", func(t *testing.T) { s.testAddress(t, name, subnet) })
	t.Run("dynamic addresses", s.testDynamic)
	t.Run("aliases", func(t *testing.T) { s.testAliases(t, name, subnet) })
	t.Run("an address of no subnet", func(t *testing.T) {
		spec := s.spec("off-net", "serve")
		spec.Network, spec.Address = name, netip.MustParseAddr("192.0.2.77")
		s.want(t, s.createAndStart(t, spec), fault.DockerRefused)
		spec = s.spec("no-ipv6", "serve")
		spec.Network, spec.Address6 = name, netip.MustParseAddr("fd00::77")
		s.want(t, s.createAndStart(t, spec), fault.DockerRefused)
	})
	t.Run("in use", func(t *testing.T) {
		spec := s.spec("on-net", "serve")
		spec.Network = name
		s.start(t, spec)
		s.want(t, s.RemoveNetwork(t.Context(), name), fault.Conflict)
	})
	t.Run("missing when a container starts", func(t *testing.T) {
		spec := s.spec("no-net", "serve")
		spec.Network = s.name + "-no-such-network"
		s.want(t, s.createAndStart(t, spec), fault.NotFound)
	})
	t.Run("remove", func(t *testing.T) {
		s.must(t, s.RemoveNetwork(t.Context(), list[0].ID))
		s.want(t, s.RemoveNetwork(t.Context(), name), fault.NotFound)
	})
}

// testAddress gives a container an address that it has before, while and after it runs.
func (s *suite) testAddress(t *testing.T, network string, subnet netip.Prefix) {
	address := nth(subnet, 77)
	spec := s.spec("address", "serve")
	spec.Network, spec.Address = network, address
	check := func(when string) {
		if got := s.container(t, spec.Name).Addresses[network]; got != address {
			t.Errorf("%s it has the address %s, not %s", when, got, address)
		}
	}
	s.create(t, spec)
	check("before it starts")
	s.must(t, s.StartContainer(t.Context(), spec.Name))
	check("while it runs")
	second := spec
	second.Name += "-2"
	s.create(t, second)
	s.want(t, s.StartContainer(t.Context(), second.Name), fault.Conflict)
	s.must(t, s.StopContainer(t.Context(), spec.Name, 0))
	check("when it has stopped")
}

// testDynamic gives containers without a fixed address one of a part of the subnet, and others any that is free.
func (s *suite) testDynamic(t *testing.T) {
	spec := cluster.NetworkSpec{Name: s.name + "-dynamic", Labels: s.labels}
	for range 20 {
		spec.Subnet = netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", 64+rand.IntN(128), rand.IntN(256)))
		spec.Dynamic = netip.PrefixFrom(nth(spec.Subnet, 128), 26)
		err := s.CreateNetwork(t.Context(), spec)
		if fault.CodeOf(err) == fault.NetworkOverlap {
			continue
		}
		s.must(t, err)
		t.Cleanup(func() { s.cleanUp(t, s.RemoveNetwork(context.Background(), spec.Name)) })
		break
	}
	for i, fixed := range []netip.Addr{{}, nth(spec.Subnet, 2), {}, nth(spec.Subnet, 254), nth(spec.Subnet, 150), {}} {
		c := s.spec(fmt.Sprintf("dynamic-%d", i), "serve")
		c.Network, c.Address = spec.Name, fixed
		s.start(t, c)
		if got := s.container(t, c.Name).Addresses[spec.Name]; fixed.IsValid() && got != fixed || !fixed.IsValid() && !spec.Dynamic.Contains(got) {
			t.Errorf("%s has %s, asked for %s", c.Name, got, fixed)
		}
	}
}

// nth is the address of a subnet that ends in n.
func nth(subnet netip.Prefix, n byte) netip.Addr {
	octets := subnet.Addr().AsSlice()
	octets[len(octets)-1] = n
	address, _ := netip.AddrFromSlice(octets)
	return address
}

// createAndStart is for what must fail: an engine may notice at either.
func (s *suite) createAndStart(t *testing.T, spec cluster.ContainerSpec) error {
	t.Helper()
	if _, err := s.CreateContainer(t.Context(), spec); err != nil {
		return err
	}
	defer func() { s.cleanUp(t, s.RemoveContainer(context.Background(), spec.Name)) }()
	return s.StartContainer(t.Context(), spec.Name)
}

// testAliases gives two containers a name in common, which finds both as long as they run.
func (s *suite) testAliases(t *testing.T, network string, subnet netip.Prefix) {
	shared, own := "api."+s.name, "second."+s.name
	first := s.spec("alias-1", "serve")
	first.Network, first.Address, first.Aliases = network, nth(subnet, 81), []string{shared}
	s.start(t, first)
	second := s.spec("alias-2", "serve")
	second.Network, second.Address, second.Aliases = network, nth(subnet, 82), []string{shared, own}
	s.start(t, second)
	for name, want := range map[string][]netip.Addr{
		shared: {first.Address, second.Address}, own: {second.Address}, first.Name: {first.Address},
	} {
		s.resolves(t, first.Name, name, want...)
	}
	s.must(t, s.StopContainer(t.Context(), second.Name, 0))
	s.resolves(t, first.Name, shared, first.Address)
}

// resolves checks what a container finds under a name.
func (s *suite) resolves(t *testing.T, container, name string, want ...netip.Addr) {
	t.Helper()
	code, out, err := s.run(t, container, cluster.ExecSpec{}, "lookup", name)
	var found []netip.Addr
	for _, line := range strings.Fields(out) {
		address, err := netip.ParseAddr(line)
		s.must(t, err)
		found = append(found, address)
	}
	slices.SortFunc(found, netip.Addr.Compare)
	if !slices.Equal(found, want) {
		t.Errorf("%s is %v, want %v (%d, %q)", name, found, want, code, err)
	}
}

func (s *suite) testVolume(t *testing.T) {
	name := s.volume(t, "vol")
	list, err := s.Volumes(t.Context(), s.label)
	s.must(t, err)
	if len(list) != 1 || list[0].Name != name || !maps.Equal(list[0].Labels, s.labels) {
		t.Fatalf("%+v", list)
	}
	t.Run("an own one may be created twice", func(t *testing.T) {
		s.must(t, s.CreateVolume(t.Context(), cluster.VolumeSpec{Name: name, Labels: s.labels}))
	})
	t.Run("one of others may not", func(t *testing.T) {
		s.want(t, s.CreateVolume(t.Context(), cluster.VolumeSpec{Name: name, Labels: map[string]string{"other": "x"}}), fault.Conflict)
	})
	t.Run("labels", func(t *testing.T) {
		list, err := s.Volumes(t.Context(), s.label+"x")
		if err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
	t.Run("in use", func(t *testing.T) {
		spec := s.spec("on-volume", "serve")
		spec.Volumes = map[string]string{name: "/data"}
		s.create(t, spec)
		s.want(t, s.RemoveVolume(t.Context(), name), fault.Conflict)
	})
	t.Run("remove", func(t *testing.T) {
		s.must(t, s.RemoveVolume(t.Context(), name))
		s.want(t, s.RemoveVolume(t.Context(), name), fault.NotFound)
	})
}
