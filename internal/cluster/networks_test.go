package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/fault"
)

func parsed(texts string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range strings.Fields(texts) {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestNetworksComplete(t *testing.T) {
	for _, tc := range []struct{ pods, services, wantPods, wantServices string }{
		{"", "", "10.244.0.0/16", "10.96.0.0/16"},
		{"10.1.0.0/16", "", "10.1.0.0/16", "10.96.0.0/16"},
		{"", "10.2.0.0/16", "10.244.0.0/16", "10.2.0.0/16"},
		{"fd01::/56", "", "fd01::/56", "fd00:10:96::/112"},
		{"", "fd02::/112", "fd00:10:244::/56", "fd02::/112"},
		{"10.1.0.0/16 fd01::/56", "", "10.1.0.0/16 fd01::/56", "10.96.0.0/16 fd00:10:96::/112"},
		{"", "fd02::/112 10.2.0.0/16", "fd00:10:244::/56 10.244.0.0/16", "fd02::/112 10.2.0.0/16"},
	} {
		n := Networks{PodCIDRs: parsed(tc.pods), ServiceCIDRs: parsed(tc.services)}.complete()
		if !slices.Equal(n.PodCIDRs, parsed(tc.wantPods)) || !slices.Equal(n.ServiceCIDRs, parsed(tc.wantServices)) {
			t.Errorf("pods %q, Services %q: got %v and %v", tc.pods, tc.services, n.PodCIDRs, n.ServiceCIDRs)
		}
		if err := n.validate(MaxNodes); err != nil {
			t.Errorf("pods %q, Services %q: what was filled in is refused: %v", tc.pods, tc.services, err)
		}
		if n.has6() != strings.Contains(tc.wantPods, ":") {
			t.Errorf("pods %q: has6 %t", tc.wantPods, n.has6())
		}
	}
}

func TestNetworksValidate(t *testing.T) {
	for _, tc := range []struct {
		name, pods, services, subnets string
		nodes                         int
		want                          string // in the refusal; "" if there is none
	}{
		{name: "default"},
		{name: "dual", pods: "10.1.0.0/16 fd01::/56", services: "10.2.0.0/16 fd02::/112", subnets: "fd03::/64 10.3.0.0/24"},
		{name: "two of one family", pods: "10.1.0.0/16 10.2.0.0/16", want: "too many pod networks"},
		{name: "three", pods: "10.4.0.0/16", services: "10.1.0.0/16 fd02::/112 10.2.0.0/16", want: "too many Service networks"},
		{name: "two subnets of one family", subnets: "10.1.0.0/24 10.2.0.0/24", want: "too many subnets"},
		{name: "no network", pods: "10.1.2.3/16", want: "10.1.0.0/16?"},
		{name: "pods in Services", pods: "10.96.0.0/12", want: "the pod network 10.96.0.0/12 overlaps the Service network 10.96.0.0/16"},
		{name: "subnet in pods", subnets: "10.244.7.0/24", want: "overlaps the subnet 10.244.7.0/24"},
		{name: "other families", pods: "10.1.0.0/16", services: "fd02::/112", want: "same IP families"},
		{name: "other order", pods: "10.1.0.0/16 fd01::/56", services: "fd02::/112 10.2.0.0/16", want: "same order"},
		{name: "one family less", pods: "10.1.0.0/16 fd01::/56", services: "10.2.0.0/16", want: "same IP families"},
		{name: "pod network is full", pods: "10.1.0.0/22", nodes: 4},
		{name: "pod network is too small", pods: "10.1.0.0/22", nodes: 5, want: "room for 4 nodes"},
		{name: "pod network is smaller than a node's", pods: "10.1.0.0/25", nodes: 1, want: "room for 0 nodes"},
		{name: "IPv6 pod network is too small", pods: "fd01::/63", nodes: 3, want: "room for 2 nodes"},
		{name: "smallest Service network", services: "10.2.0.0/28"},
		{name: "Service network without room for DNS", services: "10.2.0.0/29", want: "tenth address"},
		{name: "IPv6 Service network without room for DNS", pods: "fd01::/56", services: "fd02::/125", want: "tenth address"},
		{name: "subnet is full", subnets: "10.3.0.0/29", nodes: 4},
		{name: "subnet is too small", subnets: "10.3.0.0/29", nodes: 5, want: "room for 4 nodes"},
		{name: "subnet of one address", subnets: "10.3.0.1/32", nodes: 1, want: "room for 0 nodes"},
		{name: "IPv6 subnet is too small", pods: "fd01::/56", subnets: "fd03::/126", nodes: 1, want: "room for 0 nodes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := Networks{PodCIDRs: parsed(tc.pods), ServiceCIDRs: parsed(tc.services), Subnets: parsed(tc.subnets)}
			err := n.complete().validate(max(tc.nodes, 1))
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var f *fault.Error
			if !errors.As(err, &f) {
				t.Fatalf("not refused: %v", err)
			}
			if text := f.Error() + " " + f.Hint; f.Code != fault.Invalid || f.Hint == "" || !strings.Contains(text, tc.want) {
				t.Errorf("%s: %s", f.Code, text)
			}
		})
	}
}

func TestPodRange(t *testing.T) {
	for _, tc := range []struct {
		pods  string
		index int
		want  string
	}{
		{"10.244.0.0/16", 0, "10.244.0.0/24"},
		{"10.244.0.0/16", 255, "10.244.255.0/24"},
		{"10.128.0.0/10", 255, "10.128.255.0/24"},
		{"10.128.0.0/10", 256, "10.129.0.0/24"},
		{"10.128.0.0/10", 1<<14 - 1, "10.191.255.0/24"},
		{"10.1.16.0/20", 15, "10.1.31.0/24"},
		{"10.1.7.0/24", 0, "10.1.7.0/24"},
		{"fd00:10:244::/56", 0, "fd00:10:244::/64"},
		{"fd00:10:244::/56", 255, "fd00:10:244:ff::/64"},
		{"fd00:10:244::/48", 256, "fd00:10:244:100::/64"},
		{"fd00:10:244:20::/60", 15, "fd00:10:244:2f::/64"},
		{"10.244.0.0/16 fd00:10:244::/56", 3, "10.244.3.0/24 fd00:10:244:3::/64"},
	} {
		n := Networks{PodCIDRs: parsed(tc.pods)}
		got := n.podRange(tc.index)
		if !slices.Equal(got, parsed(tc.want)) {
			t.Errorf("%s, %d: %v, want %s", tc.pods, tc.index, got, tc.want)
		}
		for i, r := range got {
			if all := n.PodCIDRs[i]; !all.Contains(r.Addr()) || r != r.Masked() {
				t.Errorf("%s, %d: %s is no part of it", tc.pods, tc.index, r)
			}
		}
	}
	// No two nodes have addresses in common.
	n := Networks{PodCIDRs: parsed("10.128.0.0/10 fd00:10::/48")}
	seen := map[string]int{}
	for i := range 1 << 14 {
		for _, r := range n.podRange(i) {
			if j, ok := seen[r.String()]; ok {
				t.Fatalf("%d and %d have %s", j, i, r)
			}
			seen[r.String()] = i
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, tc := range []struct {
		subnet string
		number int
		want   string
	}{
		{"172.30.7.0/24", 2, "172.30.7.2"},
		{"172.30.7.0/24", 254, "172.30.7.254"},
		{"172.30.4.0/22", 257, "172.30.5.1"},
		{"172.30.7.64/27", 3, "172.30.7.67"},
		{"fd00::/64", 2, "fd00::2"},
		{"fd00::/64", 300, "fd00::12c"},
	} {
		if got := nth(netip.MustParsePrefix(tc.subnet), tc.number); got.String() != tc.want {
			t.Errorf("number %d of %s is %s, want %s", tc.number, tc.subnet, got, tc.want)
		}
	}
	if got := nth(netip.Prefix{}, 2); got.IsValid() {
		t.Errorf("a subnet that does not exist has %s", got)
	}
	for subnets, want := range map[string]int{
		"172.30.7.0/24": 254, "172.30.0.0/16": 254, "172.30.7.0/25": 126, "172.30.7.0/28": 14, "172.30.7.0/28 fd00::/64": 14, "fd00::/64": 254, "": 254,
	} {
		if got := (Networks{Subnets: parsed(subnets)}).edgeNumber(); got != want {
			t.Errorf("the edge in %q has number %d, want %d", subnets, got, want)
		}
	}
}

func TestDNSServices(t *testing.T) {
	for services, want := range map[string]string{
		"10.96.0.0/16":                  "[10.96.0.10]",
		"10.96.0.64/27":                 "[10.96.0.74]",
		"fd00:10:96::/112":              "[fd00:10:96::a]",
		"10.96.0.0/16 fd00:10:96::/112": "[10.96.0.10 fd00:10:96::a]",
	} {
		if got := fmt.Sprint(Networks{ServiceCIDRs: parsed(services)}.dnsServices()); got != want {
			t.Errorf("%s: %s, want %s", services, got, want)
		}
	}
}

func TestNetworksDynamic(t *testing.T) {
	for _, tc := range []struct {
		subnet string
		nodes  int
		want   string
	}{
		{"10.1.2.0/24", MaxNodes, "10.1.2.128/26"},
		{"10.1.0.0/16", MaxNodes, "10.1.128.0/18"},
		{"10.1.2.16/28", 6, "10.1.2.24/30"},
		{"10.1.2.16/28", 7, ""},
		{"10.1.2.0/29", 2, "10.1.2.4/31"},
		{"10.1.2.0/30", 1, ""},
		{"10.1.2.4/31", 0, ""},
		{"fd00:1:2:3::/64", MaxNodes, "fd00:1:2:3:8000::/66"},
		{"fd00:1:2:3::/127", 0, ""},
	} {
		subnet := netip.MustParsePrefix(tc.subnet)
		n := Networks{Subnets: []netip.Prefix{subnet}}
		got := n.dynamic(subnet.Addr().Is4(), tc.nodes)
		if (tc.want != "" || got.IsValid()) && got.String() != tc.want {
			t.Errorf("%s with %d nodes: %s, want %s", tc.subnet, tc.nodes, got, tc.want)
		}
		for number := 1; got.IsValid() && number < firstNode+tc.nodes; number++ {
			if got.Contains(nth(subnet, number)) {
				t.Errorf("%s: %s has the address of node %d", tc.subnet, got, number)
			}
		}
		if got.IsValid() && (got != got.Masked() || got.Contains(nth(subnet, n.edgeNumber()))) {
			t.Errorf("%s: %s has that of the edge, or is none", tc.subnet, got)
		}
	}
}
