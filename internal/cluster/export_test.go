package cluster

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// What the tests of this package, which are outside of it because of package dockertest, need from inside.

// SetHost takes the place of the host that the service runs on.
func (s *Service) SetHost(portBusy func(uint16) bool, subnets ...netip.Prefix) {
	s.portBusy = func(_ netip.Addr, port uint16) bool { return portBusy(port) }
	s.hostSubnets = func() []netip.Prefix { return subnets }
}

// SetGrace sets how long an engine's call goes on after a cancellation.
func (s *Service) SetGrace(d time.Duration) { s.grace = d }

// SetMemberLimit sets how long a change of the datastore's members may take.
func (s *Service) SetMemberLimit(d time.Duration) { s.memberLimit = d }

// PlannedPort is the host port of the API.
func (p *Plan) PlannedPort() uint16 { return p.spec.APIPort }

// SubnetPools are where clusters get their subnets from, and InnerNetworks what is inside of every cluster.
var (
	SubnetPools   = subnetPools
	InnerNetworks = []netip.Prefix{PodNetwork, ServiceNetwork}
)

const (
	FirstAPIPort = firstAPIPort
	LastAPIPort  = lastAPIPort
	MaxAttempts  = maxAttempts
)

// PortBusy looks at the real host.
var PortBusy = portBusy

// CapabilityTable is every capability of a node with its reason.
func CapabilityTable() map[string]string {
	table := map[string]string{}
	for _, c := range capabilities {
		table[c.name] = c.reason
	}
	return table
}

// AskAPI asks a cluster's API once whether it is ready.
func AskAPI(ctx context.Context, creds *Credentials) error {
	client, err := creds.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return askReadyz(ctx, client, creds.Server)
}

// Members is the datastore's list of members, as one server has it.
func (s *Service) Members(ctx context.Context, server string) ([]nodeapi.Member, error) {
	return s.members(ctx, "demo", server, "list", "")
}

// Follow reads a node's output as a creation does.
func Follow(r io.Reader, sink event.Sink) error {
	w := &watch{node: "n", step: "start/n", emit: sink.Emit}
	return w.follow(r)
}
