package enginetest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

func (s *suite) testContainers(t *testing.T) {
	t.Run("lifecycle", s.testLifecycle)
	t.Run("labels", s.testLabels)
	t.Run("a name is taken once", func(t *testing.T) {
		spec := s.spec("once", "serve")
		s.create(t, spec)
		_, err := s.CreateContainer(t.Context(), spec)
		s.want(t, err, fault.Conflict)
	})
	t.Run("nothing is pulled", func(t *testing.T) {
		spec := s.spec("no-image", "serve")
		spec.Image = s.name + ":missing"
		_, err := s.CreateContainer(t.Context(), spec)
		s.want(t, err, fault.NotFound)
	})
	t.Run("kill after grace", func(t *testing.T) {
		spec := s.spec("stubborn", "stubborn")
		s.start(t, spec)
		s.must(t, s.StopContainer(t.Context(), spec.Name, time.Second))
		s.state(t, spec.Name, "exited")
	})
	t.Run("remove while it runs", func(t *testing.T) {
		spec := s.spec("remove", "stubborn")
		s.start(t, spec)
		s.must(t, s.RemoveContainer(t.Context(), spec.Name))
		s.want(t, s.RemoveContainer(t.Context(), spec.Name), fault.NotFound)
		s.create(t, spec) // the name is free
	})
	t.Run("rename", s.testRename)
	t.Run("ports", s.testPorts)
}

// testRename puts a container in the place of another: with the same volume, and the same fixed address.
func (s *suite) testRename(t *testing.T) {
	network, subnet := s.network(t, "rename-net")
	volume := s.volume(t, "rename-vol")
	spec := s.spec("place", "serve")
	spec.Network, spec.Address, spec.Volumes = network, nth(subnet, 91), map[string]string{volume: "/data"}
	s.start(t, spec)
	fresh := spec
	fresh.Name += ".new"
	id := s.create(t, fresh)
	s.want(t, s.RenameContainer(t.Context(), id, spec.Name), fault.Conflict)
	s.want(t, s.RenameContainer(t.Context(), s.name+"-nobody", spec.Name+"-2"), fault.NotFound)
	s.must(t, s.RemoveContainer(t.Context(), spec.Name))
	s.must(t, s.RenameContainer(t.Context(), id, spec.Name))
	t.Cleanup(func() { s.cleanUp(t, s.RemoveContainer(context.Background(), id)) })
	s.must(t, s.RenameContainer(t.Context(), id, spec.Name)) // it has it already
	if c := s.container(t, spec.Name); c.ID != id || c.Addresses[network] != spec.Address {
		t.Errorf("%+v", c)
	}
	s.restart(t, spec.Name)
	s.resolves(t, spec.Name, spec.Name, spec.Address)
	s.want(t, s.StopContainer(t.Context(), fresh.Name, 0), fault.NotFound)
}

// testLifecycle follows a container through its states, by name and by ID.
func (s *suite) testLifecycle(t *testing.T) {
	spec := s.spec("life", "serve")
	began := time.Now()
	id := s.create(t, spec)
	c := s.container(t, spec.Name)
	if c.ID != id || c.Image != s.image || c.State != "created" || !maps.Equal(c.Labels, s.labels) {
		t.Errorf("%+v", c)
	}
	if image, err := s.Image(t.Context(), s.image); err != nil || c.ImageID != image.ID {
		t.Errorf("of image %s, want %s, %v", c.ImageID, image.ID, err)
	}
	if age := c.Created.Sub(began); age < -time.Minute || age > time.Minute {
		t.Errorf("created at %s, now it is %s", c.Created, began)
	}
	s.must(t, s.StopContainer(t.Context(), spec.Name, time.Second)) // there is nothing to stop
	s.restart(t, spec.Name)
	s.state(t, spec.Name, "running")
	s.must(t, s.StartContainer(t.Context(), spec.Name)) // it runs already
	began = time.Now()
	s.must(t, s.StopContainer(t.Context(), id, 30*time.Second))
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("a willing container took %s to stop", took)
	}
	s.state(t, spec.Name, "exited")
	s.must(t, s.StopContainer(t.Context(), spec.Name, time.Second))
	s.must(t, s.StartContainer(t.Context(), id))
	s.state(t, spec.Name, "running")
	s.must(t, s.RemoveContainer(t.Context(), id))
}

func (s *suite) testLabels(t *testing.T) {
	spec := s.spec("labels", "serve")
	spec.Labels = maps.Clone(s.labels)
	spec.Labels[labelRun+".key"] = "value=with=signs"
	s.create(t, spec)
	for label, want := range map[string]bool{
		s.label: true, labelRun: true, labelRun + ".key": true, labelRun + ".key=value=with=signs": true, "": true,
		labelRun + ".key=value": false, labelRun + ".ke": false, labelRun + "=": false, s.label + "x": false,
	} {
		list, err := s.Containers(t.Context(), label)
		s.must(t, err)
		if got := slices.ContainsFunc(list, func(c cluster.Container) bool { return c.Name == spec.Name }); got != want {
			t.Errorf("label %q finds it: %v", label, got)
		}
	}
}

// testPorts publishes a port and connects to it, then publishes it a second time.
func (s *suite) testPorts(t *testing.T) {
	if !s.info.Local {
		t.Skip("the engine's ports are on another machine")
	}
	port := freePort(t)
	spec := s.spec("listen", "listen", "8080")
	spec.Ports = []cluster.Port{{HostIP: "127.0.0.1", HostPort: port, ContainerPort: 8080, Protocol: "tcp"}}
	s.start(t, spec)
	if got := s.container(t, spec.Name).Ports; !slices.Equal(got, spec.Ports) {
		t.Errorf("ports %+v", got)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if answer := dial(t, address); answer != "hello\n" {
		t.Errorf("the port answers %q", answer)
	}
	second := spec
	second.Name += "-2"
	s.create(t, second)
	s.want(t, s.StartContainer(t.Context(), second.Name), fault.PortInUse)
	s.must(t, s.StopContainer(t.Context(), spec.Name, 10*time.Second))
	s.must(t, s.StartContainer(t.Context(), second.Name)) // now it is free

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(t, err)
	defer taken.Close()
	third := spec
	third.Name += "-3"
	third.Ports = []cluster.Port{{HostIP: "127.0.0.1", HostPort: uint16(taken.Addr().(*net.TCPAddr).Port), ContainerPort: 8080, Protocol: "tcp"}}
	s.create(t, third)
	s.want(t, s.StartContainer(t.Context(), third.Name), fault.PortInUse)
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func dial(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// testConcurrent makes and removes objects at once.
func (s *suite) testConcurrent(t *testing.T) {
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			name := fmt.Sprintf("%s-at-once-%d", s.name, i)
			spec := s.spec(fmt.Sprintf("at-once-%d", i), "serve")
			spec.Volumes = map[string]string{name: "/data"}
			ctx := t.Context()
			if err := s.CreateVolume(ctx, cluster.VolumeSpec{Name: name, Labels: s.labels}); err != nil {
				t.Error(err)
				return
			}
			if _, err := s.CreateContainer(ctx, spec); err != nil {
				t.Error(err)
			} else if err := s.StartContainer(ctx, spec.Name); err != nil {
				t.Error(err)
			}
			if _, err := s.Containers(ctx, s.label); err != nil {
				t.Error(err)
			}
			s.cleanUp(t, s.RemoveContainer(ctx, spec.Name))
			s.cleanUp(t, s.RemoveVolume(ctx, name))
		})
	}
	all.Wait()
	// One of many may remove a thing; none may fail for another reason than that it is gone.
	spec := s.spec("removed-by-all", "serve")
	s.start(t, spec)
	for range 4 {
		all.Go(func() { s.cleanUp(t, s.RemoveContainer(t.Context(), spec.Name)) })
	}
	all.Wait()
	s.want(t, s.RemoveContainer(t.Context(), spec.Name), fault.NotFound)
}
