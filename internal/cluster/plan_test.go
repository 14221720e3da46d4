package cluster_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// TestPlan compares what --dry-run prints.
func TestPlan(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spec  func(*cluster.Spec)
		world func(*testing.T, *world)
	}{
		{name: "first"},
		{name: "image-is-there", world: func(_ *testing.T, w *world) {
			w.engine.AddImage(cluster.Image{Tags: []string{nodeImageRef}, Labels: nodeLabels()})
		}},
		{name: "image-of-that-name-is-another", world: func(_ *testing.T, w *world) {
			w.engine.AddImage(cluster.Image{Tags: []string{nodeImageRef}})
		}},
		{name: "address-and-port", spec: func(s *cluster.Spec) { s.APIAddress, s.APIPort = "0.0.0.0", 6443 }},
		{name: "ipv6-address", spec: func(s *cluster.Spec) { s.APIAddress, s.APIPort = "::1", 6443 }},
		{name: "taken", world: func(t *testing.T, w *world) {
			plan, err := w.PlanCreate(t.Context(), spec("demo"))
			if err != nil {
				t.Fatal(err)
			}
			busy := plan.PlannedPort()
			w.SetHost(func(port uint16) bool { return port == busy }, plan.Subnet)
		}},
		{name: "three-servers-two-agents", spec: func(s *cluster.Spec) { s.Groups = cluster.Groups(3, 2) }},
		{name: "dual-stack", spec: func(s *cluster.Spec) {
			s.Groups = cluster.Groups(1, 1)
			s.Networks.PodCIDRs = prefixes("10.244.0.0/16", "fd00:10:244::/56")
		}},
		{name: "small-subnet", spec: func(s *cluster.Spec) {
			s.Groups, s.Networks.Subnets = cluster.Groups(3, 9), prefixes("192.168.7.0/28")
		}},
		{name: "group-with-everything", spec: func(s *cluster.Spec) { s.Groups = everything() }},
		{name: "remote", spec: func(s *cluster.Spec) { s.APIAddress = "0.0.0.0" }, world: func(t *testing.T, w *world) { w.remote(t) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t).quiet()
			if tc.world != nil {
				tc.world(t, w)
			}
			s := spec("demo")
			if tc.spec != nil {
				tc.spec(&s)
			}
			plan, err := w.PlanCreate(t.Context(), s)
			if err != nil {
				t.Fatal(describe(err))
			}
			testutil.Golden(t, "plan/"+tc.name+".txt", plan.String()+"\n")
			if tc.name == "first" {
				content, err := json.MarshalIndent(plan, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				testutil.Golden(t, "plan/"+tc.name+".json", string(content)+"\n")
			}
			w.nothingLeft(t)
			again, err := w.PlanCreate(t.Context(), s)
			if err != nil || again.String() != plan.String() {
				t.Errorf("the second plan differs: %v\n%s", err, again)
			}
		})
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// everything is a server, and a group of one agent with all that a group may have.
func everything() []cluster.Group {
	return []cluster.Group{
		{
			Role: nodeapi.RoleAgent, Count: 1, Labels: map[string]string{"disk": "ssd"},
			Taints: []nodeapi.Taint{{Key: "only", Value: "databases", Effect: "NoSchedule"}}, CPUMillis: 1500, MemoryBytes: 1 << 30,
			Binds: []cluster.Bind{{Source: "/", Target: "/host", ReadOnly: true}},
			Ports: []cluster.Port{{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 30080, Protocol: "tcp"}},
		},
		{Role: nodeapi.RoleServer, Count: 1},
	}
}

func (w *world) remote(t *testing.T) {
	t.Helper()
	info, err := w.engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info.Local, info.Endpoint = false, "ssh://me@build.example:2222"
	w.engine.SetInfo(info)
	w.SetHost(func(uint16) bool { t.Error("a port of this host was looked at"); return true })
}

// TestRefusals are what is refused before anything is changed.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spec  func(*cluster.Spec)
		world func(*testing.T, *world)
		code  fault.Code
		words []string
	}{
		{name: "bad name", spec: func(s *cluster.Spec) { s.Name = "Ümlaut" }, code: fault.Invalid, words: []string{"Ümlaut", "32 characters"}},
		{name: "no server", spec: func(s *cluster.Spec) { s.Groups = cluster.Groups(0, 1) }, code: fault.Invalid, words: []string{"needs a server"}},
		{name: "two servers", spec: func(s *cluster.Spec) { s.Groups = cluster.Groups(2, 0) }, code: fault.Invalid, words: []string{"2 servers", "majority"}},
		{name: "four servers", spec: func(s *cluster.Spec) { s.Groups = cluster.Groups(4, 0) }, code: fault.Invalid, words: []string{"3 servers, or 5"}},
		{name: "six servers", spec: func(s *cluster.Spec) { s.Groups = cluster.Groups(6, 0) }, code: fault.Invalid, words: []string{"1, 3 or 5"}},
		{name: "servers in several groups", spec: func(s *cluster.Spec) { s.Groups = append(cluster.Groups(1, 1), cluster.Groups(1, 0)...) },
			code: fault.Invalid, words: []string{"2 servers"}},
		{name: "101 nodes", spec: func(s *cluster.Spec) { s.Groups = cluster.Groups(1, 100) }, code: fault.Invalid, words: []string{"101 nodes", "100"}},
		{name: "fewer than no agents", spec: func(s *cluster.Spec) { s.Groups = cluster.Groups(1, -1) }, code: fault.Invalid, words: []string{"-1 agents"}},
		{name: "an edge", spec: func(s *cluster.Spec) {
			s.Groups = append(s.Groups, cluster.Group{Role: nodeapi.RoleEdge, Count: 1})
		}, code: fault.Invalid, words: []string{`no role "edge"`}},
		{name: "one port for two nodes", spec: func(s *cluster.Spec) {
			s.Groups = append(s.Groups, cluster.Group{Role: nodeapi.RoleAgent, Count: 2, Ports: []cluster.Port{{HostPort: 80, ContainerPort: 80}}})
		}, code: fault.Invalid, words: []string{"not to 2"}},
		{name: "more processors than the host", spec: sized(2001, 0), code: fault.Invalid, words: []string{"2.001 CPUs", "which has 2"}},
		{name: "more memory than the host", spec: sized(0, 9<<30), code: fault.Invalid, words: []string{"9216 MiB", "8192 MiB"}},
		{name: "hardly a processor", spec: sized(99, 0), code: fault.Invalid, words: []string{"99m", "100m"}},
		{name: "hardly memory", spec: sized(0, 127<<20), code: fault.Invalid, words: []string{"128 MiB"}},
		{name: "a server with hardly memory", spec: func(s *cluster.Spec) { s.Groups[0].MemoryBytes = 511 << 20 }, code: fault.Invalid, words: []string{"512 MiB"}},
		{name: "too many for their networks", spec: func(s *cluster.Spec) {
			s.Groups, s.Networks.PodCIDRs = cluster.Groups(1, 2), prefixes("10.9.0.0/23")
		}, code: fault.Invalid, words: []string{"room for 2 nodes"}},
		{name: "subnet of Docker", spec: func(s *cluster.Spec) { s.Networks.Subnets = prefixes("172.17.8.0/24") }, code: fault.NetworkOverlap,
			words: []string{"172.17.8.0/24", "network bridge", "172.17.0.0/16"}, world: func(t *testing.T, w *world) {
				if err := w.engine.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: "bridge", Subnet: prefixes("172.17.0.0/16")[0]}); err != nil {
					t.Fatal(err)
				}
			}},
		{name: "address is a name", spec: func(s *cluster.Spec) { s.APIAddress = "localhost" }, code: fault.Invalid, words: []string{"localhost"}},
		{name: "address has a zone", spec: func(s *cluster.Spec) { s.APIAddress = "fe80::1%eth0" }, code: fault.Invalid},
		{name: "exists", world: exists(nil), code: fault.Exists, words: []string{"(running)", "skiff kubeconfig merge demo", "skiff delete demo"}},
		{name: "exists, stopped", world: exists(func(_ *testing.T, w *world) { w.engine.Kill("skiff-demo-server-1", 0) }),
			code: fault.Exists, words: []string{"(stopped)", "skiff start demo", "skiff delete demo"}},
		{name: "exists in part", world: exists(func(t *testing.T, w *world) {
			if err := w.engine.RemoveContainer(t.Context(), "skiff-demo-server-1"); err != nil {
				t.Fatal(err)
			}
		}), code: fault.Exists, words: []string{"(incomplete)", "skiff delete demo"}},
		{name: "foreign network", code: fault.Conflict, words: []string{"docker network rm skiff-demo"}, world: func(t *testing.T, w *world) {
			if err := w.engine.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: "skiff-demo"}); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "port of a cluster", spec: func(s *cluster.Spec) { s.APIPort = 6443 }, code: fault.PortInUse, words: []string{"cluster other", "--api-port"},
			world: func(t *testing.T, w *world) {
				w.quiet()
				other := spec("other")
				other.APIPort = 6443
				w.stopped(t, other)
			}},
		{name: "port of a program", spec: func(s *cluster.Spec) { s.APIPort = 6443 }, code: fault.PortInUse, words: []string{"6443", "another program"},
			world: func(_ *testing.T, w *world) { w.SetHost(func(port uint16) bool { return port == 6443 }) }},
		{name: "port of a group", code: fault.PortInUse, words: []string{"port 8080 of the host", "is in use", "Choose another"},
			spec: func(s *cluster.Spec) {
				s.Groups = []cluster.Group{{Role: nodeapi.RoleServer, Count: 1, Ports: []cluster.Port{{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 30080, Protocol: "tcp"}}}}
			},
			world: func(_ *testing.T, w *world) { w.SetHost(func(port uint16) bool { return port == 8080 }) }},
		{name: "no port", code: fault.PortInUse, words: []string{"20000"}, world: func(_ *testing.T, w *world) { w.SetHost(func(uint16) bool { return true }) }},
		{name: "no subnet", code: fault.NetworkOverlap, world: func(_ *testing.T, w *world) {
			for i, pool := range cluster.SubnetPools {
				if err := w.engine.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: strconv.Itoa(i), Subnet: pool}); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{name: "remote engine, local address", world: func(_ *testing.T, w *world) { w.remote(t) }, code: fault.Invalid, words: []string{"build.example", "--api-address"}},
		{name: "no image", code: fault.NoImage, words: []string{"made without"}, world: func(_ *testing.T, w *world) {
			w.Image = func() (cluster.NodeImage, error) {
				return nil, &fault.Error{Code: fault.NoImage, Summary: "made without", Hint: "make build"}
			}
		}},
		{name: "image not in Docker", spec: func(s *cluster.Spec) { s.ImageRef = "mine:1" }, code: fault.NotFound, words: []string{"mine:1", "name none"}},
		{name: "image is no node", spec: func(s *cluster.Spec) { s.ImageRef = "mine:1" }, code: fault.Invalid, words: []string{"mine:1", "not a node image"},
			world: func(_ *testing.T, w *world) { w.engine.AddImage(cluster.Image{Tags: []string{"mine:1"}}) }},
		{name: "image of another contract", code: fault.Invalid, words: []string{`contract "99"`},
			world: func(_ *testing.T, w *world) { w.image.labels[nodeapi.LabelContract] = "99" }},
		{name: "image for another machine", code: fault.Invalid, words: []string{"arm64", "amd64"},
			world: func(_ *testing.T, w *world) { w.image.architecture = "arm64" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			if tc.world != nil {
				tc.world(t, w)
			}
			s := spec("demo")
			if tc.spec != nil {
				tc.spec(&s)
			}
			before := w.engine.Objects()
			changes := w.changes()
			_, err := w.Create(t.Context(), s, cluster.CreateOptions{})
			wantFault(t, err, tc.code, tc.words...)
			if _, planErr := w.PlanCreate(t.Context(), s); planErr == nil || planErr.Error() != err.Error() {
				t.Errorf("the plan says %v, the creation %v", planErr, err)
			}
			if after := w.engine.Objects(); strings.Join(after, "\n") != strings.Join(before, "\n") || w.changes() != changes {
				t.Errorf("something was changed: %q, before %q", after, before)
			}
		})
	}
}

// sized adds an agent of a size.
func sized(cpuMillis, memoryBytes int64) func(*cluster.Spec) {
	return func(s *cluster.Spec) {
		s.Groups = append(s.Groups, cluster.Group{Role: nodeapi.RoleAgent, Count: 1, CPUMillis: cpuMillis, MemoryBytes: memoryBytes})
	}
}

// exists makes a cluster "demo" and does something to it.
func exists(then func(*testing.T, *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.mustCreate(t, "demo")
		if then != nil {
			then(t, w)
		}
	}
}

// stopped makes a cluster whose node has never run.
func (w *world) stopped(t *testing.T, s cluster.Spec) {
	t.Helper()
	w.engine.Fail("StartContainer", 1, errors.New("not now"))
	if _, err := w.Create(t.Context(), s, cluster.CreateOptions{Retain: true}); err == nil {
		t.Fatal("it started")
	}
}

// changes counts the calls that change something.
func (w *world) changes() int {
	n := 0
	for _, method := range []string{"CreateNetwork", "CreateVolume", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer",
		"RemoveNetwork", "RemoveVolume", "CopyTo", "LoadImage", "RemoveImage"} {
		n += w.engine.Count(method)
	}
	return n
}

// TestChoices checks that what is chosen is where it may be.
func TestChoices(t *testing.T) {
	for _, pool := range cluster.SubnetPools {
		for _, inner := range cluster.InnerNetworks {
			if pool.Overlaps(inner) {
				t.Errorf("%s overlaps %s", pool, inner)
			}
		}
	}
	const ephemeral = 32768 // where Linux begins to take ports for outgoing connections
	w := newWorld(t).quiet()
	for i := range 200 {
		plan, err := w.PlanCreate(t.Context(), spec("c"+strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		if port := plan.PlannedPort(); port < cluster.FirstAPIPort || port > cluster.LastAPIPort || port >= ephemeral {
			t.Errorf("port %d", port)
		}
		if plan.Subnet.Bits() != 24 || !cluster.SubnetPools[0].Contains(plan.Subnet.Addr()) {
			t.Errorf("subnet %s", plan.Subnet)
		}
	}
}

// TestPortOfStoppedCluster leaves a stopped cluster its port, although nobody listens on it.
func TestPortOfStoppedCluster(t *testing.T) {
	w := newWorld(t).quiet()
	first, err := w.PlanCreate(t.Context(), spec("demo"))
	if err != nil {
		t.Fatal(err)
	}
	other := spec("other")
	other.APIPort = first.PlannedPort()
	w.stopped(t, other)
	plan, err := w.PlanCreate(t.Context(), spec("demo"))
	if err != nil {
		t.Fatal(err)
	}
	if plan.PlannedPort() == first.PlannedPort() {
		t.Errorf("port %d is that of cluster other", plan.PlannedPort())
	}
}

// TestHostSubnetsAreNoReason takes a subnet that the host claims if there is no other: VPNs claim everything.
func TestHostSubnetsAreNoReason(t *testing.T) {
	w := newWorld(t)
	w.SetHost(func(uint16) bool { return false }, netip.MustParsePrefix("0.0.0.0/0"))
	if _, err := w.PlanCreate(t.Context(), spec("demo")); err != nil {
		t.Error(describe(err))
	}
}

func TestPortBusy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	if !cluster.PortBusy(at.Addr(), at.Port()) {
		t.Error("a port that is listened on is free")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if cluster.PortBusy(netip.MustParseAddr("192.0.2.1"), 6443) {
		t.Error("an address of another host is busy")
	}
}

func TestValidateName(t *testing.T) {
	for name, valid := range map[string]bool{
		"a": true, "skiff": true, "a-b": true, "0": true, strings.Repeat("a", 32): true,
		"": false, "-a": false, "a-": false, "A": false, "a.b": false, "a_b": false, "a b": false, "ä": false, "a\n": false,
		strings.Repeat("a", 33): false, "../a": false,
	} {
		if err := cluster.ValidateName(name); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
}
