package role

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// noLogs throws away what components say.
type noLogs struct{}

func (noLogs) Writer(string) io.Writer { return io.Discard }

// TestComponents holds each role's table to a golden file: its components, and what each waits for before it starts. A
// component that waits for less than it needs falls into its own retries; one that waits for more makes a start longer.
func TestComponents(t *testing.T) {
	for _, r := range []nodeapi.Role{nodeapi.RoleServer, nodeapi.RoleAgent} {
		t.Run(string(r), func(t *testing.T) {
			components, err := Components(testNode(r), noLogs{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := supervise.NewManager(components, nil); err != nil {
				t.Errorf("the table cannot be started: %v", err)
			}
			testutil.Golden(t, string(r)+".txt", table(components))
		})
	}
}

// TestUnknownRole: a node that is told a role of a later release says so.
func TestUnknownRole(t *testing.T) {
	for _, r := range []nodeapi.Role{nodeapi.RoleEdge, "witness"} {
		if _, err := Components(testNode(r), noLogs{}); err == nil || !strings.Contains(err.Error(), string(r)) {
			t.Errorf("%s: %v", r, err)
		}
	}
}

func testNode(r nodeapi.Role) *component.Node {
	return &component.Node{
		Config: nodeapi.Config{
			Cluster: "demo", Node: "skiff-demo-" + string(r) + "-1", Role: r, Servers: []string{"skiff-demo-server-1"},
			PodCIDRs:      []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
			NodePodCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")},
			ServiceCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")},
			DNSServiceIPs: []netip.Addr{netip.MustParseAddr("10.96.0.10")},
			ClusterDomain: "cluster.local",
		},
		IPs:   []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		Place: component.Place{APIServer: netip.MustParseAddrPort("127.0.0.1:0")}, // any port that is free
	}
}

// table has a line per component, in the order of the role.
func table(components []supervise.Component) string {
	var b strings.Builder
	for _, c := range components {
		after := "at once"
		if len(c.DependsOn) > 0 {
			after = "after " + strings.Join(c.DependsOn, ", ")
		}
		fmt.Fprintf(&b, "%-24s %s\n", c.Name, after)
	}
	return b.String()
}
