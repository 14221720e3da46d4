package component

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

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
