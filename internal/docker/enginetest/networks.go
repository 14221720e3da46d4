package enginetest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// network creates a network with a subnet that nothing else has, and removes it after the test.
func (s *suite) network(t *testing.T, name string) (string, netip.Prefix) {
	t.Helper()
	name = s.name + "-" + name
	for range 20 {
		subnet := netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", 64+rand.IntN(128), rand.IntN(256)))
		err := s.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: name, Labels: s.labels, Subnet: subnet})
		if fault.CodeOf(err) == fault.NetworkOverlap {
			continue
		}
		s.must(t, err)
		t.Cleanup(func() { s.cleanUp(t, s.RemoveNetwork(context.Background(), name)) })
		return name, subnet
	}
	t.Fatal("there is no free subnet")
	return "", netip.Prefix{}
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
	t.Run("in use", func(t *testing.T) {
		spec := s.spec("on-net", "serve")
		spec.Network = name
		s.start(t, spec)
		s.want(t, s.RemoveNetwork(t.Context(), name), fault.Conflict)
	})
	t.Run("missing when a container starts", func(t *testing.T) {
		spec := s.spec("no-net", "serve")
		spec.Network = s.name + "-no-such-network"
		_, err := s.CreateContainer(t.Context(), spec)
		if err == nil { // an engine may notice at either
			defer func() { s.cleanUp(t, s.RemoveContainer(context.Background(), spec.Name)) }()
			err = s.StartContainer(t.Context(), spec.Name)
		}
		s.want(t, err, fault.NotFound)
	})
	t.Run("remove", func(t *testing.T) {
		s.must(t, s.RemoveNetwork(t.Context(), list[0].ID))
		s.want(t, s.RemoveNetwork(t.Context(), name), fault.NotFound)
	})
}

// testAddress gives a container an address that it has before, while and after it runs.
func (s *suite) testAddress(t *testing.T, network string, subnet netip.Prefix) {
	octets := subnet.Addr().As4()
	octets[3] = 77
	address := netip.AddrFrom4(octets)
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
