package cluster_test

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// config is what a node was told.
func (w *world) config(t *testing.T, node string) nodeapi.Config {
	t.Helper()
	content, err := w.engine.ReadFile(node, nodeapi.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	var config nodeapi.Config
	if err := json.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// container is what a node's container was made with.
func (w *world) container(t *testing.T, node string) cluster.ContainerSpec {
	t.Helper()
	spec, ok := w.engine.Spec(node)
	if !ok {
		t.Fatalf("there is no container %s: %q", node, w.engine.Objects())
	}
	return spec
}

// mustCreateSpec creates a cluster.
func (w *world) mustCreateSpec(t *testing.T, s cluster.Spec) *cluster.Created {
	t.Helper()
	c, err := w.Create(t.Context(), s, cluster.CreateOptions{})
	if err != nil {
		t.Fatal(describe(err))
	}
	return c
}

// mustCreateOf creates a cluster of so many servers and agents.
func (w *world) mustCreateOf(t *testing.T, name string, servers, agents int) *cluster.Created {
	t.Helper()
	s := spec(name)
	s.Groups, s.APIAddress = cluster.Groups(servers, agents), ownLoopback
	return w.mustCreateSpec(t, s)
}

// ownLoopback is an address on which nobody but this process publishes an API. Tests give up a port for a moment and
// want it back, and processes that run the same tests at the same time would be in each other's way.
var ownLoopback = func() string {
	if runtime.GOOS != "linux" { // others have the one only
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, byte(1 + pid>>14&0x7f), byte(1 + pid>>7&0x7f), byte(1 + pid&0x7f)}).String()
}()

// nodeStates are a cluster's nodes with their states.
func nodeStates(c cluster.Cluster) []string {
	var list []string
	for _, n := range c.Nodes {
		list = append(list, n.Name+" "+string(n.State))
	}
	return list
}

// TestSeveralNodes makes a cluster with an edge, and looks at what each node has and was told.
func TestSeveralNodes(t *testing.T) {
	w := newWorld(t)
	created := w.mustCreateOf(t, "demo", 3, 2)
	want := []string{"skiff-demo-server-1 running", "skiff-demo-server-2 running", "skiff-demo-server-3 running",
		"skiff-demo-agent-1 running", "skiff-demo-agent-2 running", "skiff-demo-edge-1 running"}
	if got := nodeStates(created.Cluster); !slices.Equal(got, want) {
		t.Errorf("nodes %q, want %q", got, want)
	}
	servers := []string{"skiff-demo-server-1", "skiff-demo-server-2", "skiff-demo-server-3"}
	addresses := map[netip.Addr]string{}
	for i, n := range created.Cluster.Nodes {
		spec, config := w.container(t, n.Name), w.config(t, n.Name)
		if config.Role != n.Role || config.Node != n.Name || config.Cluster != "demo" || !slices.Equal(config.Servers, servers) || config.Join {
			t.Errorf("%s was told %+v", n.Name, config)
		}
		if other, ok := addresses[spec.Address]; ok {
			t.Errorf("%s and %s have the address %s", n.Name, other, spec.Address)
		}
		addresses[spec.Address] = n.Name
		if published := len(spec.Ports) > 0; published != (n.Role == nodeapi.RoleEdge) {
			t.Errorf("%s publishes %v", n.Name, spec.Ports)
		}
		if alias := slices.Equal(spec.Aliases, []string{nodeapi.ServersAlias}); alias != (n.Role == nodeapi.RoleServer) {
			t.Errorf("%s has the names %q", n.Name, spec.Aliases)
		}
		if n.Role == nodeapi.RoleEdge {
			if len(spec.Capabilities)+len(spec.SecurityOpts)+len(spec.Volumes)+len(spec.Binds) > 0 || spec.UnmaskedPaths {
				t.Errorf("an edge needs nothing, and has %+v", spec)
			}
			if len(config.PodCIDRs)+len(config.NodePodCIDRs) > 0 {
				t.Errorf("an edge was told of pods: %+v", config)
			}
			continue
		}
		if want := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24); !slices.Equal(config.NodePodCIDRs, []netip.Prefix{want}) {
			t.Errorf("%s has the pods %v, want %s", n.Name, config.NodePodCIDRs, want)
		}
		if tainted := len(config.Taints) == 1 && config.Taints[0].Key == "node-role.kubernetes.io/control-plane"; tainted != (n.Role == nodeapi.RoleServer) {
			t.Errorf("%s has the taints %v", n.Name, config.Taints)
		}
		if n.Role == nodeapi.RoleAgent {
			if files := w.engine.Files(n.Name); slices.Contains(files, "pki/ca.key") || slices.Contains(files, "pki/admin.key") || !slices.Contains(files, "pki/kubelet.key") {
				t.Errorf("%s has %q", n.Name, files)
			}
		}
	}
	for _, n := range created.Cluster.Nodes {
		report, err := w.Status(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		at := report.Nodes[slices.IndexFunc(report.Nodes, func(s cluster.NodeStatus) bool { return s.Name == n.Name })]
		if at.Report == nil || !at.Report.Ready || at.Report.Role != n.Role {
			t.Errorf("%s reports %+v, %s", n.Name, at.Report, at.Error)
		}
	}
}

// TestServersWithoutAgents take pods, whatever their number.
func TestServersWithoutAgents(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	if taints := w.config(t, "skiff-demo-server-1").Taints; len(taints) > 0 {
		t.Errorf("nobody is left for pods: %v", taints)
	}
}

// TestTaintsAsAsked leaves a server without taints if that was asked for, although there are agents.
func TestTaintsAsAsked(t *testing.T) {
	w := newWorld(t)
	s := spec("demo")
	s.Groups = cluster.Groups(1, 1)
	s.Groups[0].Taints = []nodeapi.Taint{}
	w.mustCreateSpec(t, s)
	if taints := w.config(t, demoNode).Taints; len(taints) > 0 {
		t.Errorf("taints %v", taints)
	}
}

// TestEverything asks for all that there is, and finds it at the nodes.
func TestEverything(t *testing.T) {
	w := newWorld(t)
	s := spec("demo")
	s.Groups = everything()
	s.Groups[0].Ports[0].HostPort = freePort(t)
	s.Ephemeral = true
	s.Networks.PodCIDRs = prefixes("10.1.0.0/16", "fd01::/56")
	s.Networks.Subnets = prefixes("fd03::/64")
	s.Settings = settings()
	w.mustCreateSpec(t, s)
	server, agent := w.config(t, demoNode), w.config(t, "skiff-demo-agent-1")
	for _, config := range []nodeapi.Config{server, agent} {
		if !reflect.DeepEqual(config.Settings, s.Settings) || !config.Ephemeral {
			t.Errorf("%s was told %+v", config.Node, config)
		}
		if !slices.Equal(config.PodCIDRs, s.Networks.PodCIDRs) || !slices.Equal(config.ServiceCIDRs, prefixes("10.96.0.0/16", "fd00:10:96::/112")) ||
			len(config.DNSServiceIPs) != 2 || config.ClusterDomain != "cluster.local" {
			t.Errorf("%s was told of the networks %+v", config.Node, config)
		}
	}
	if !slices.Equal(agent.NodePodCIDRs, prefixes("10.1.1.0/24", "fd01:0:0:1::/64")) {
		t.Errorf("the agent has the pods %v", agent.NodePodCIDRs)
	}
	group := s.Groups[0]
	if !reflect.DeepEqual(agent.Labels, group.Labels) || !reflect.DeepEqual(agent.Taints, group.Taints) || agent.CPUMillis != 1500 || agent.MemoryBytes != 1<<30 {
		t.Errorf("the agent was told %+v", agent)
	}
	made := w.container(t, "skiff-demo-agent-1")
	if !reflect.DeepEqual(made.Binds, group.Binds) || !reflect.DeepEqual(made.Ports, group.Ports) || made.CPUMillis != 1500 || made.MemoryBytes != 1<<30 {
		t.Errorf("the agent is %+v", made)
	}
	if made.Address6 != netip.MustParseAddr("fd03::3") {
		t.Errorf("the agent's IPv6 address is %s", made.Address6)
	}
	if other := w.container(t, demoNode); len(other.Binds) > 0 || len(other.Ports) != 1 || other.CPUMillis != 0 || server.Labels != nil {
		t.Errorf("the server has something of the agent's: %+v", other)
	}
}

func settings() nodeapi.Settings {
	return nodeapi.Settings{
		FeatureGates: map[string]bool{"A": true}, RuntimeConfig: map[string]string{"api/beta": "true"},
		ExtraArgs:   map[string]map[string]string{"kubelet": {"max-pods": "7"}},
		NodeFailure: nodeapi.NodeFailure{NotReadyAfter: 8 * time.Second, EvictAfter: 5 * time.Second},
		Registries:  []nodeapi.Registry{{Host: "registry.example", Mirrors: []string{"http://mirror.example"}}}, ContainerdPatches: []string{"x = 1"},
	}
}

// freePort is a port of this host that nobody listens on at the moment.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// TestMountsOfTheHost refuses what is not there to be mounted, where it can be seen: on this machine's engine.
func TestMountsOfTheHost(t *testing.T) {
	missing := cluster.Group{Role: nodeapi.RoleAgent, Count: 1, Binds: []cluster.Bind{{Source: filepath.Join(t.TempDir(), "nowhere"), Target: "/data"}}}
	w := newWorld(t)
	s := spec("demo")
	s.APIAddress, s.Groups = "0.0.0.0", append(cluster.Groups(1, 0), missing)
	_, err := w.PlanCreate(t.Context(), s)
	wantFault(t, err, fault.NotFound, "nowhere to be mounted at /data", "Make it first")
	w.mustCreateOf(t, "other", 1, 0)
	_, err = w.PlanAdd(t.Context(), "other", missing)
	wantFault(t, err, fault.NotFound, "nowhere")
	other := s
	other.Name = "other"
	_, err = w.PlanApply(t.Context(), other)
	wantFault(t, err, fault.NotFound, "nowhere")

	info, err := w.engine.Info(t.Context())
	must(t, err)
	info.Local, info.Endpoint = false, "ssh://somewhere"
	w.engine.SetInfo(info)
	if _, err := w.PlanCreate(t.Context(), s); err != nil {
		t.Errorf("of a host that cannot be seen: %s", describe(err))
	}
}
