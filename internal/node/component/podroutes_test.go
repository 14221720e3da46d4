package component

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// routes is a kernel's table, and what was done to it.
type routes struct {
	table map[netip.Prefix]netip.Addr
	done  []string
	fail  error
}

func (r *routes) List() (map[netip.Prefix]netip.Addr, error) {
	r.done = append(r.done, "list")
	return maps.Clone(r.table), r.fail
}

func (r *routes) Set(to netip.Prefix, via netip.Addr) error {
	if r.fail != nil {
		return r.fail
	}
	r.done = append(r.done, fmt.Sprintf("set %s %s", to, via))
	r.table[to] = via
	return nil
}

func (r *routes) Remove(to netip.Prefix, via netip.Addr) error {
	if r.fail != nil {
		return r.fail
	}
	r.done = append(r.done, fmt.Sprintf("remove %s %s", to, via))
	delete(r.table, to)
	return nil
}

// node is a node's object: its pod ranges and its addresses, separated by spaces.
func node(name, ranges, addresses string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: strings.Fields(ranges)}}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeExternalIP, Address: "192.0.2.1"}}
	for _, a := range strings.Fields(addresses) {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
	}
	return n
}

// text is a table in lines.
func text(table map[netip.Prefix]netip.Addr) string {
	var lines []string
	for to, via := range table {
		lines = append(lines, fmt.Sprintf("%s via %s", to, via))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// newPodRoutes are those of the first server of a cluster with both families.
func newPodRoutes(kernel routeTable) *podRoutes {
	n := testServer()
	n.PodCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/56")}
	n.NodePodCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24"), netip.MustParsePrefix("fd00:10:244::/64")}
	return &podRoutes{node: n, kernel: kernel, logger: klog.Background()}
}

func TestWantedRoutes(t *testing.T) {
	for name, tc := range map[string]struct {
		node *corev1.Node
		want string
	}{
		"itself":                     {node("skiff-demo-server-1", "10.244.0.0/24", "172.30.0.2"), ""},
		"another":                    {node("a", "10.244.1.0/24", "172.30.0.3"), "10.244.1.0/24 via 172.30.0.3"},
		"both families":              {node("a", "10.244.1.0/24 fd00:10:244:1::/64", "172.30.0.3 fd00::3"), "10.244.1.0/24 via 172.30.0.3, fd00:10:244:1::/64 via fd00::3"},
		"both families, one address": {node("a", "10.244.1.0/24 fd00:10:244:1::/64", "fd00::3"), "fd00:10:244:1::/64 via fd00::3"},
		"the first address counts":   {node("a", "10.244.1.0/24", "172.30.0.3 172.30.0.4"), "10.244.1.0/24 via 172.30.0.3"},
		"no range yet":               {node("a", "", "172.30.0.3"), ""},
		"no address yet":             {node("a", "10.244.1.0/24", ""), ""},
		"rubbish":                    {node("a", "pods 10.244.1.0/24", "here 172.30.0.3"), "10.244.1.0/24 via 172.30.0.3"},
		"what is not for pods":       {node("a", "172.30.0.0/24", "172.30.0.3"), ""},
		"all that there is":          {node("a", "0.0.0.0/0 ::/0", "172.30.0.3 fd00::3"), ""},
		"more than pods":             {node("a", "10.0.0.0/8", "172.30.0.3"), ""},
		"all pods":                   {node("a", "10.244.0.0/16", "172.30.0.3"), ""},
		"this node's own pods":       {node("a", "10.244.0.0/24", "172.30.0.3"), ""},
		"some of this node's pods":   {node("a", "10.244.0.128/25", "172.30.0.3"), ""},
	} {
		if got := text(newPodRoutes(nil).wanted([]*corev1.Node{tc.node})); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestSyncRoutes begins with what an earlier process left, and follows the nodes.
func TestSyncRoutes(t *testing.T) {
	kernel := &routes{table: map[netip.Prefix]netip.Addr{
		netip.MustParsePrefix("10.244.1.0/24"): netip.MustParseAddr("172.30.0.3"),
		netip.MustParsePrefix("10.244.7.0/24"): netip.MustParseAddr("172.30.0.9"),
	}}
	r := newPodRoutes(kernel)
	a, b := node("a", "10.244.1.0/24", "172.30.0.3"), node("b", "10.244.2.0/24", "172.30.0.4")
	for _, step := range []struct {
		name  string
		nodes []*corev1.Node
		again bool
		lose  bool // the kernel's table
		done  string
	}{
		{name: "first", nodes: []*corev1.Node{a, b}, done: "list, remove 10.244.7.0/24 172.30.0.9, set 10.244.2.0/24 172.30.0.4"},
		{name: "the same", nodes: []*corev1.Node{b, a}},
		{name: "moved", nodes: []*corev1.Node{a, node("b", "10.244.2.0/24", "172.30.0.5")}, done: "set 10.244.2.0/24 172.30.0.5"},
		{name: "one less", nodes: []*corev1.Node{a}, done: "remove 10.244.2.0/24 172.30.0.5"},
		{name: "connected again", again: true, lose: true, done: "list, set 10.244.1.0/24 172.30.0.3"},
		{name: "connected again, and nothing lost", again: true, done: "list"},
		{name: "none", nodes: []*corev1.Node{}, done: "remove 10.244.1.0/24 172.30.0.3"},
	} {
		kernel.done = nil
		if step.lose {
			clear(kernel.table)
		}
		var err error
		if step.again {
			err = r.again()
		} else {
			err = r.sync(step.nodes)
		}
		slices.Sort(kernel.done)
		if got := strings.Join(kernel.done, ", "); err != nil || got != step.done {
			t.Errorf("%s: %q, want %q; %v", step.name, got, step.done, err)
		}
		if got, want := text(kernel.table), text(r.wanted(r.nodes)); got != want {
			t.Errorf("%s: the kernel has %q, want %q", step.name, got, want)
		}
	}
}

// TestRoutesFail tries again what did not work.
func TestRoutesFail(t *testing.T) {
	kernel := &routes{table: map[netip.Prefix]netip.Addr{}}
	r := newPodRoutes(kernel)
	if err := r.again(); err != nil || len(kernel.done) > 0 {
		t.Errorf("nothing is known yet: %q, %v", kernel.done, err)
	}
	a := node("a", "10.244.1.0/24", "172.30.0.3")
	kernel.fail = errors.New("no buffer space available")
	if err := r.sync([]*corev1.Node{a}); err == nil || !strings.Contains(err.Error(), "list routes") {
		t.Errorf("%v", err)
	}
	kernel.fail = nil
	if err := r.sync([]*corev1.Node{}); err != nil {
		t.Fatal(err)
	}
	kernel.fail = errors.New("no buffer space available")
	if err := r.sync([]*corev1.Node{a}); err == nil || !strings.Contains(err.Error(), "route 10.244.1.0/24 via 172.30.0.3") {
		t.Errorf("%v", err)
	}
	kernel.fail = unix.ENETUNREACH // cut off
	if err := r.sync([]*corev1.Node{a}); err != nil {
		t.Error(err)
	}
	kernel.fail = nil
	if err := r.again(); err != nil || text(kernel.table) != "10.244.1.0/24 via 172.30.0.3" {
		t.Errorf("%q, %v", text(kernel.table), err)
	}
	kernel.fail = errors.New("no buffer space available")
	if err := r.sync(nil); err == nil || !strings.Contains(err.Error(), "remove the route to 10.244.1.0/24") {
		t.Errorf("%v", err)
	}
}
