package component

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// testServer is a server as the command line makes it.
func testServer() *Node {
	return &Node{
		Config: nodeapi.Config{
			APIVersion: nodeapi.ConfigVersion, Cluster: "demo", Node: "skiff-demo-server-1", Role: nodeapi.RoleServer,
			PodCIDRs:      []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
			NodePodCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")},
			ServiceCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")},
			DNSServiceIPs: []netip.Addr{netip.MustParseAddr("10.96.0.10")},
			ClusterDomain: "cluster.local", Servers: []string{"skiff-demo-server-1"},
		},
		IPs:   []netip.Addr{netip.MustParseAddr("172.30.0.2")},
		MTU:   1400,
		Place: NodePlace(nil),
	}
}

// TestServer holds what the components of a server are told to golden files: what changes there changes clusters.
func TestServer(t *testing.T) {
	n := testServer()
	lines := func(args []string) string { return strings.Join(args, "\n") + "\n" }
	asJSON := func(v any) string {
		t.Helper()
		out, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return string(out) + "\n"
	}
	var kubelet kubeletconfig.KubeletConfiguration
	kubeletConfiguration(n, &kubelet)
	for name, got := range map[string]string{
		NameAPIServer:           lines(APIServerArgs(n)),
		NameControllerManager:   lines(ControllerManagerArgs(n)),
		NameScheduler:           lines(SchedulerArgs(n)),
		NameKubelet:             lines(KubeletArgs(n)),
		NameKubelet + "-config": asJSON(kubelet),
		NameKubeProxy:           lines(KubeProxyArgs(n)),
		NameDNS:                 Corefile(n),
		NamePodNetwork:          asJSON(cniConfigFor(n.NodePodCIDRs, n.MTU)),
		NameRegistration:        asJSON(nodeObject(n)),
	} {
		t.Run(name, func(t *testing.T) { testutil.Golden(t, "server/"+name+".txt", got) })
	}
}

// TestSizedNode holds what the kubelet of a small agent is told to a golden file: what pods cannot have, and when they
// are evicted.
func TestSizedNode(t *testing.T) {
	n := testServer()
	n.Role, n.CPUMillis, n.MemoryBytes = nodeapi.RoleAgent, 500, 512<<20
	var kubelet kubeletconfig.KubeletConfiguration
	kubeletConfiguration(n, &kubelet)
	out, err := json.MarshalIndent(map[string]any{"kubeReserved": kubelet.KubeReserved, "evictionHard": kubelet.EvictionHard}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	testutil.Golden(t, "sized/kubelet-config.txt", string(out)+"\n")
}

// TestSeeded: only a server's first start, with what the image build knew, may leave out what is in the seed.
func TestSeeded(t *testing.T) {
	for what, tc := range map[string]struct {
		change func(*Node)
		want   bool
	}{
		"the first start":      {func(*Node) {}, true},
		"one of three servers": {func(n *Node) { n.Servers = []string{"a", "b", "c"} }, true},
		"another evictAfter":   {func(n *Node) { n.NodeFailure.EvictAfter = time.Minute }, true},
		"a later start":        {func(n *Node) { must(t, os.Mkdir(filepath.Join(n.EtcdDir, "member"), 0o700)) }, false},
		"a server that joins":  {func(n *Node) { n.Join = true }, false},
		"a feature gate":       {func(n *Node) { n.FeatureGates = map[string]bool{"A": true} }, false},
		"an API":               {func(n *Node) { n.RuntimeConfig = map[string]string{"api/alpha": "true"} }, false},
		"a flag":               {func(n *Node) { n.ExtraArgs = map[string]map[string]string{NameKubelet: {"feature-gates": "A=true"}} }, false},
	} {
		n := testServer()
		n.EtcdDir = t.TempDir()
		tc.change(n)
		if got := Seeded(n); got != tc.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSignsOfLife: a node that was given up wrongly says that it is there before its pods move, and no more often than
// upstream's does if the grace is long.
func TestSignsOfLife(t *testing.T) {
	for grace, want := range map[time.Duration]time.Duration{8 * time.Second: 4 * time.Second, 40 * time.Second: 10 * time.Second} {
		n := testServer()
		n.NodeFailure.NotReadyAfter = grace
		kubelet := kubeletconfig.KubeletConfiguration{NodeStatusUpdateFrequency: metav1.Duration{Duration: 10 * time.Second}} // upstream's default
		kubeletConfiguration(n, &kubelet)
		if got := kubelet.NodeStatusUpdateFrequency.Duration; got != want || kubelet.NodeLeaseDurationSeconds != int32(grace.Seconds()) {
			t.Errorf("a grace of %s: status every %s, want %s; a lease of %d s", grace, got, want, kubelet.NodeLeaseDurationSeconds)
		}
	}
}

// TestEvictionRate: where a lost node is to be noticed soon, the second of two moves its pods soon, too.
func TestEvictionRate(t *testing.T) {
	n := testServer()
	for grace, want := range map[time.Duration]bool{8 * time.Second: true, 0: false} {
		n.NodeFailure.NotReadyAfter = grace
		if got := slices.Contains(ControllerManagerArgs(n), "--node-eviction-rate=10"); got != want {
			t.Errorf("a grace of %s: %t", grace, got)
		}
	}
}

// TestNodeMonitorPeriod looks often enough for a short grace, and not more often than upstream for a long one.
func TestNodeMonitorPeriod(t *testing.T) {
	for grace, want := range map[time.Duration]time.Duration{
		time.Second: 500 * time.Millisecond, 4 * time.Second: 500 * time.Millisecond, 8 * time.Second: time.Second,
		20 * time.Second: 2500 * time.Millisecond, 40 * time.Second: 5 * time.Second, 5 * time.Minute: 5 * time.Second,
	} {
		if got := nodeMonitorPeriod(grace); got != want {
			t.Errorf("a grace of %s: %s, want %s", grace, got, want)
		}
	}
}

// TestArgsOfSeveral are what components are told that have others of their kind, or that the user tells more.
func TestArgsOfSeveral(t *testing.T) {
	for _, tc := range []struct {
		name     string
		node     func(*Node)
		args     func(*Node) []string
		has, not []string
	}{
		{"one controller manager", nil, ControllerManagerArgs, []string{"--leader-elect=false"}, []string{"--node-monitor-grace-period", "--leader-elect=true"}},
		{"one scheduler", nil, SchedulerArgs, []string{"--leader-elect=false"}, []string{"--leader-elect=true"}},
		{"several controller managers", several, ControllerManagerArgs,
			[]string{"--leader-elect=true", "--leader-elect-lease-duration=6s", "--leader-elect-renew-deadline=5s", "--leader-elect-retry-period=1s"}, []string{"--leader-elect=false"}},
		{"several schedulers", several, SchedulerArgs, []string{"--leader-elect=true", "--leader-elect-lease-duration=6s"}, []string{"--leader-elect=false"}},
		{"nodes that are given up soon", func(n *Node) {
			n.NodeFailure = nodeapi.NodeFailure{NotReadyAfter: 8 * time.Second, EvictAfter: 5 * time.Second}
		},
			ControllerManagerArgs, []string{"--node-monitor-grace-period=8s", "--node-monitor-period=1s"}, nil},
		{"pods that move soon", func(n *Node) {
			n.NodeFailure = nodeapi.NodeFailure{NotReadyAfter: 8 * time.Second, EvictAfter: 5 * time.Second}
		},
			APIServerArgs, []string{"--default-not-ready-toleration-seconds=5", "--default-unreachable-toleration-seconds=5"}, nil},
		{"both families", dual, ControllerManagerArgs, []string{"--cluster-cidr=10.244.0.0/16,fd00:10:244::/56", "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112"}, nil},
		{"both families", dual, APIServerArgs, []string{"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112"}, nil},
		{"the user's flags come last", func(n *Node) {
			n.ExtraArgs = map[string]map[string]string{NameScheduler: {"v": "5", "leader-elect": "true"}, NameAPIServer: {"v": "7"}}
		}, func(n *Node) []string { args := SchedulerArgs(n); return args[len(args)-2:] }, []string{"--leader-elect=true", "--v=5"}, nil},
	} {
		n := testServer()
		if tc.node != nil {
			tc.node(n)
		}
		args := tc.args(n)
		for _, want := range tc.has {
			if !slices.Contains(args, want) {
				t.Errorf("%s: no %s in %q", tc.name, want, args)
			}
		}
		for _, not := range tc.not {
			if slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, not) }) {
				t.Errorf("%s: %s in %q", tc.name, not, args)
			}
		}
	}
}

func several(n *Node) { n.Servers = append(n.Servers, "skiff-demo-server-2", "skiff-demo-server-3") }

func dual(n *Node) {
	n.PodCIDRs = append(n.PodCIDRs, netip.MustParsePrefix("fd00:10:244::/56"))
	n.ServiceCIDRs = append(n.ServiceCIDRs, netip.MustParsePrefix("fd00:10:96::/112"))
}
