package component

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"sigs.k8s.io/knftables"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// PodNetwork configures CNI for this node's pod range, and lets pods reach the world behind the node's address.
func PodNetwork(n *Node) supervise.Component {
	ready := make(chan struct{})
	return supervise.Component{
		Name: NamePodNetwork,
		Runner: supervise.Func(func(ctx context.Context) error {
			if err := masquerade(ctx, n); err != nil {
				return err
			}
			if err := writeCNIConfig(nodeapi.CNIConfigDir, n.NodePodCIDRs, n.MTU); err != nil {
				return err
			}
			Logger(NamePodNetwork).Info("Pods have a network", "podCIDRs", n.NodePodCIDRs, "mtu", n.MTU)
			close(ready)
			<-ctx.Done()
			return nil
		}),
		Ready:   awaitClosed(ready, "nftables to take the rules for pods' traffic"),
		Restart: once,
	}
}

type (
	cniConfig struct {
		CNIVersion string      `json:"cniVersion"`
		Name       string      `json:"name"`
		Plugins    []cniPlugin `json:"plugins"`
	}
	cniPlugin struct {
		Type         string          `json:"type"`
		MTU          int             `json:"mtu,omitempty"`
		IPAM         *cniIPAM        `json:"ipam,omitempty"`
		Capabilities map[string]bool `json:"capabilities,omitempty"`
		SNAT         bool            `json:"snat,omitempty"`
		Backend      string          `json:"backend,omitempty"`
	}
	cniIPAM struct {
		Type    string       `json:"type"`
		DataDir string       `json:"dataDir"`
		Ranges  [][]cniRange `json:"ranges"`
		Routes  []cniRoute   `json:"routes"`
	}
	cniRange struct {
		Subnet netip.Prefix `json:"subnet"`
	}
	cniRoute struct {
		Dst string `json:"dst"`
	}
)

// cniConfigFor routes each pod over a veth pair of its own. With a bridge, Service traffic between pods of
// one node would pass it without being seen by nftables, unless br_netfilter is loaded, which a
// container cannot do.
func cniConfigFor(ranges []netip.Prefix, mtu int) cniConfig {
	ipam := &cniIPAM{
		Type: "host-local",
		// Gone with a restart of the node, as are the pods that held the addresses.
		DataDir: "/run/cni/networks",
	}
	for _, r := range ranges {
		ipam.Ranges = append(ipam.Ranges, []cniRange{{Subnet: r}})
		dst := "0.0.0.0/0"
		if r.Addr().Is6() {
			dst = "::/0"
		}
		ipam.Routes = append(ipam.Routes, cniRoute{Dst: dst})
	}
	return cniConfig{
		CNIVersion: "1.0.0",
		Name:       "skiff",
		Plugins: []cniPlugin{
			{Type: "ptp", MTU: mtu, IPAM: ipam},
			{Type: "portmap", Capabilities: map[string]bool{"portMappings": true}, SNAT: true, Backend: "nftables"},
		},
	}
}

// writeCNIConfig replaces the CNI configuration, atomically because containerd watches the directory.
func writeCNIConfig(dir string, ranges []netip.Prefix, mtu int) error {
	if len(ranges) == 0 {
		return errors.New("the node has no pod range")
	}
	data, err := json.MarshalIndent(cniConfigFor(ranges, mtu), "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "10-skiff.conflist")
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return nil
	}
	if err := os.WriteFile(path+".tmp", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// masquerade gives traffic from pods to anything but pods the node's address.
func masquerade(ctx context.Context, n *Node) error {
	for _, pods := range n.PodCIDRs {
		family, word := knftables.IPv4Family, "ip"
		if pods.Addr().Is6() {
			family, word = knftables.IPv6Family, "ip6"
		}
		nft, err := knftables.New(family, "skiff")
		if err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		tx := nft.NewTransaction()
		tx.Add(&knftables.Table{})
		tx.Flush(&knftables.Table{})
		tx.Add(&knftables.Chain{
			Name: "postrouting", Type: knftables.PtrTo(knftables.NATType),
			Hook: knftables.PtrTo(knftables.PostroutingHook), Priority: knftables.PtrTo(knftables.SNATPriority),
		})
		tx.Add(&knftables.Rule{
			Chain:   "postrouting",
			Rule:    knftables.Concat(word, "saddr", pods.String(), word, "daddr != ", pods.String(), "masquerade"),
			Comment: knftables.PtrTo("pods to the world"),
		})
		if err := nft.Run(ctx, tx); err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
	}
	return nil
}
