package cluster_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// another returns a second skiff on the same engine.
func (w *world) another() *world {
	other := &world{engine: w.engine, events: &recorder{}, image: w.image, kube: &kube{}}
	other.Service = &cluster.Service{Engine: w.engine, Events: other.events, Version: w.Version, Image: w.Image, Kube: other.kube}
	return other
}

// TestSameNameAtOnce lets several skiffs create one cluster: one wins, and the others take nothing of it away.
func TestSameNameAtOnce(t *testing.T) {
	w := newWorld(t)
	const skiffs = 5
	errs := make([]error, skiffs)
	var running sync.WaitGroup
	for i := range skiffs {
		running.Go(func() {
			_, errs[i] = w.another().Create(t.Context(), spec("demo"), cluster.CreateOptions{})
		})
	}
	running.Wait()
	won := 0
	for _, err := range errs {
		switch code := fault.CodeOf(err); {
		case err == nil:
			won++
		case code != fault.Exists && code != fault.Conflict:
			t.Errorf("a loser got %s", describe(err))
		}
	}
	if won != 1 {
		t.Errorf("%d skiffs won", won)
	}
	w.wholeCluster(t, "demo")
}

// wholeCluster fails unless the one cluster runs with all that belongs to it.
func (w *world) wholeCluster(t *testing.T, name string) {
	t.Helper()
	if got := w.engine.Objects(); len(got) != 3 {
		t.Errorf("objects %q", got)
	}
	c, err := w.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if c.State != cluster.StateRunning {
		t.Errorf("state %s", c.State)
	}
}

// TestLoserIsLate holds one skiff back at each of its calls until another has made the whole cluster.
func TestLoserIsLate(t *testing.T) {
	for _, method := range []string{"Containers", "LoadImage", "CreateVolume"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			held := w.engine.Block(method, 1)
			done := make(chan error, 1)
			go func() {
				_, err := w.another().Create(t.Context(), spec("demo"), cluster.CreateOptions{})
				done <- err
			}()
			<-held.Reached()
			if method == "LoadImage" {
				// Its volume may be there by now; whoever is second is refused.
				held.Release()
				if err := <-done; err != nil {
					t.Fatal(describe(err))
				}
				_, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
				wantFault(t, err, fault.Exists)
			} else {
				w.mustCreate(t, "demo")
				held.Release()
				if code := fault.CodeOf(<-done); code != fault.Exists && code != fault.Conflict {
					t.Errorf("the loser got %s", code)
				}
			}
			w.wholeCluster(t, "demo")
		})
	}
}

// TestLoserIsTold says to the one that comes second in the last moment what happened.
func TestLoserIsTold(t *testing.T) {
	w := newWorld(t)
	w.engine.Before("CreateVolume", 1, func(context.Context) error {
		w.another().mustCreate(t, "demo") // its call is the second
		return nil
	})
	_, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
	wantFault(t, err, fault.Conflict, "another skiff", "skiff delete demo")
	w.wholeCluster(t, "demo")
}

// TestForeignVolume is not taken for a cluster's, and survives.
func TestForeignVolume(t *testing.T) {
	w := newWorld(t)
	if err := w.engine.CreateVolume(t.Context(), cluster.VolumeSpec{Name: "skiff-demo-server-1"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
	wantFault(t, err, fault.Conflict)
	if strings.Contains(err.Error(), "another skiff") {
		t.Errorf("blames a skiff: %s", describe(err))
	}
	if got, want := w.engine.Objects(), []string{"volume skiff-demo-server-1"}; !slices.Equal(got, want) {
		t.Errorf("objects %q, want %q", got, want)
	}
}

func TestDifferentNamesAtOnce(t *testing.T) {
	w := newWorld(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	var running sync.WaitGroup
	for _, name := range names {
		running.Go(func() {
			if _, err := w.another().Create(t.Context(), spec(name), cluster.CreateOptions{}); err != nil {
				t.Error(describe(err))
			}
		})
	}
	running.Wait()
	list, err := w.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	endpoints, addresses := map[string]bool{}, map[string]bool{}
	for _, c := range list {
		endpoints[c.Endpoint], addresses[c.Nodes[0].Address] = true, true
	}
	if len(list) != len(names) || len(endpoints) != len(names) || len(addresses) != len(names) {
		t.Errorf("%d clusters, %d endpoints, %d addresses", len(list), len(endpoints), len(addresses))
	}
}

// TestTakenMeanwhile takes what was chosen between the choice and its use.
func TestTakenMeanwhile(t *testing.T) {
	w := newWorld(t)
	plan, err := w.PlanCreate(t.Context(), spec("demo"))
	if err != nil {
		t.Fatal(err)
	}
	w.engine.Before("CreateNetwork", 1, func(context.Context) error {
		return w.engine.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: "vpn", Subnet: plan.Subnet})
	})
	w.engine.Block("LoadImage", 1)        // it is interrupted when the network is refused
	w.engine.TakePort(plan.PlannedPort()) // by something that cannot be seen from here
	created := w.mustCreate(t, "demo")
	if created.Cluster.Endpoint == plan.Endpoint {
		t.Errorf("endpoint %s is taken", plan.Endpoint)
	}
	address := netip.MustParseAddr(created.Cluster.Nodes[0].Address)
	if plan.Subnet.Contains(address) {
		t.Errorf("address %s is in the subnet that is taken", address)
	}
	for _, e := range w.events.events {
		if e.State == event.Failed || e.Kind == event.KindRollback {
			t.Errorf("the user need not know of %+v", e)
		}
	}
	if err := w.engine.RemoveNetwork(t.Context(), "vpn"); err != nil {
		t.Fatal(err)
	}
	w.wholeCluster(t, "demo")
}

// TestRetainKeepsNoFailedChoice keeps what is worth looking at, not what was in the way.
func TestRetainKeepsNoFailedChoice(t *testing.T) {
	w := newWorld(t)
	plan, err := w.PlanCreate(t.Context(), spec("demo"))
	if err != nil {
		t.Fatal(err)
	}
	w.engine.TakePort(plan.PlannedPort())
	if _, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{Retain: true}); err != nil {
		t.Fatal(describe(err))
	}
	w.wholeCluster(t, "demo")
}

// TestRetryAvoidsWhatWasTaken keeps the rest of its choice, which is what the cluster of that name had before.
func TestRetryAvoidsWhatWasTaken(t *testing.T) {
	for method, code := range map[string]fault.Code{"StartContainer": fault.PortInUse, "CreateNetwork": fault.NetworkOverlap} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			plan, err := w.PlanCreate(t.Context(), spec("demo"))
			if err != nil {
				t.Fatal(err)
			}
			w.engine.Fail(method, 1, &fault.Error{Code: code, Summary: "taken", Hint: "wait"})
			w.mustCreate(t, "demo")
			got, ok := w.engine.Spec("skiff-demo-server-1")
			if !ok {
				t.Fatal("there is no node")
			}
			if same := got.Ports[0].HostPort == plan.PlannedPort(); same == (code == fault.PortInUse) {
				t.Errorf("port %d after %d", got.Ports[0].HostPort, plan.PlannedPort())
			}
			if same := plan.Subnet.Contains(got.Address); same == (code == fault.NetworkOverlap) {
				t.Errorf("address %s after subnet %s", got.Address, plan.Subnet)
			}
		})
	}
}

// TestGivesUpChoosing ends a search that finds nothing.
func TestGivesUpChoosing(t *testing.T) {
	for method, code := range map[string]fault.Code{"StartContainer": fault.PortInUse, "CreateNetwork": fault.NetworkOverlap} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			w.engine.Fail(method, 0, &fault.Error{Code: code, Summary: "taken", Hint: "wait"})
			_, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
			wantFault(t, err, code)
			if got := w.engine.Count(method); got != cluster.MaxAttempts {
				t.Errorf("%d attempts", got)
			}
			w.nothingLeft(t)
		})
	}
}

// TestAskedPortIsTaken does not choose another one than was asked for.
func TestAskedPortIsTaken(t *testing.T) {
	w := newWorld(t)
	w.engine.Fail("StartContainer", 0, &fault.Error{Code: fault.PortInUse, Summary: "taken", Hint: "wait"})
	s := spec("demo")
	s.APIPort = 1234
	w.quiet()
	_, err := w.Create(t.Context(), s, cluster.CreateOptions{})
	wantFault(t, err, fault.PortInUse)
	if got := w.engine.Count("StartContainer"); got != 1 {
		t.Errorf("%d attempts", got)
	}
	w.nothingLeft(t)
}

// TestAskedSubnetIsTaken does not try what was asked for again.
func TestAskedSubnetIsTaken(t *testing.T) {
	w := newWorld(t)
	w.engine.Fail("CreateNetwork", 0, &fault.Error{Code: fault.NetworkOverlap, Summary: "taken", Hint: "wait"})
	s := spec("demo")
	s.Networks.Subnets = prefixes("10.99.0.0/24")
	_, err := w.Create(t.Context(), s, cluster.CreateOptions{})
	wantFault(t, err, fault.NetworkOverlap)
	if got := w.engine.Count("CreateNetwork"); got != 1 {
		t.Errorf("%d attempts", got)
	}
	w.nothingLeft(t)
}
