package cluster

import (
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"syscall"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// subnetPools are where clusters get their /24 from: Docker hands out the first one late, and the others never.
var subnetPools = []netip.Prefix{
	netip.MustParsePrefix("172.30.0.0/16"),
	netip.MustParsePrefix("10.243.0.0/16"),
	netip.MustParsePrefix("10.213.0.0/16"),
}

// API ports are below the range that systems take the ports of outgoing connections from (32768 and up), so that
// one is still free after a reboot.
const (
	firstAPIPort = 20000
	lastAPIPort  = 31999
)

// avoided is what was found to be taken only when it was to be used.
type avoided struct {
	subnets []netip.Prefix
	ports   map[uint16]bool
}

// hash spreads names, so that clusters that are made at the same moment rarely want the same, and one that is
// made again gets what it had.
func hash(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int(h.Sum32())
}

// chooseSubnet returns the first of some subnets that nobody has, and that overlaps nothing that is inside the cluster.
func (o *observation) chooseSubnet(candidates iter.Seq[netip.Prefix], inside []netip.Prefix, avoid avoided) (netip.Prefix, error) {
	taken := slices.Concat(avoid.subnets, inside)
	for _, n := range o.networks {
		taken = append(taken, n.Subnets...)
	}
	// A host's own networks are worth avoiding, but not worth failing for: a VPN may claim all that is private.
	for _, also := range [][]netip.Prefix{o.hostSubnets, nil} {
		for subnet := range candidates {
			if !overlaps(subnet, taken) && !overlaps(subnet, also) {
				return subnet, nil
			}
		}
	}
	return netip.Prefix{}, &fault.Error{Code: fault.NetworkOverlap, Summary: "there is no free subnet for the cluster's network",
		Hint: "Remove networks that are not in use: 'docker network prune'."}
}

// subnets are candidates for a cluster's network, from one on that its name decides.
func subnets(name string) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for _, pool := range subnetPools {
			base := pool.Addr().As4()
			for i := range 256 {
				base[2] = byte(hash(name) + i)
				if !yield(netip.PrefixFrom(netip.AddrFrom4(base), 24)) {
					return
				}
			}
		}
	}
}

// subnets6 are the same for IPv6: unique local addresses (RFC 4193).
func subnets6(name string) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		base := netip.MustParseAddr("fd00:10:30::").As16()
		for i := range 256 {
			h := hash(name) + i
			base[6], base[7] = byte(h>>8), byte(h)
			if !yield(netip.PrefixFrom(netip.AddrFrom16(base), 64)) {
				return
			}
		}
	}
}

func overlaps(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if p.Overlaps(o) {
			return true
		}
	}
	return false
}

// choosePort returns the port that was asked for, or the first that nobody has.
func (o *observation) choosePort(spec Spec, avoid avoided) (uint16, error) {
	owner := o.portOwners()
	if port := spec.APIPort; port != 0 {
		var who string
		switch {
		case owner[port] != "":
			who = "cluster " + owner[port]
		case o.busyPorts[port]:
			who = "another program"
		default:
			return port, nil
		}
		return 0, &fault.Error{Code: fault.PortInUse, Summary: fmt.Sprintf("port %d is taken by %s", port, who), Field: "api.port",
			Hint: "Choose another (--api-port of 'skiff create', api.port in a cluster file), or leave it out to get a free one."}
	}
	for port := range ports(spec.Name) {
		if owner[port] == "" && !o.busyPorts[port] && !avoid.ports[port] {
			return port, nil
		}
	}
	return 0, &fault.Error{Code: fault.PortInUse, Summary: fmt.Sprintf("no port from %d to %d is free", firstAPIPort, lastAPIPort),
		Hint: "Name one: --api-port of 'skiff create', or api.port in a cluster file."}
}

// groupPort is a port of the host that a group of nodes is to have, and the field of a cluster file that says so.
type groupPort struct {
	field string
	port  uint16
}

// refusePorts refuses ports of groups that another program listens on.
func (o *observation) refusePorts() error {
	if len(o.busyGroupPorts) == 0 {
		return nil
	}
	p := o.busyGroupPorts[0]
	return &fault.Error{Code: fault.PortInUse, Summary: fmt.Sprintf("port %d of the host, which is to lead to a node, is in use", p.port), Field: p.field,
		Hint: "Choose another, or stop what uses it ('docker ps' shows the ports of containers)."}
}

func ports(name string) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		const span = lastAPIPort - firstAPIPort + 1
		for i := range span {
			if !yield(uint16(firstAPIPort + (hash(name)+i)%span)) {
				return
			}
		}
	}
}

// portOwners are the clusters that publish their API on a port, or will when they are started.
func (o *observation) portOwners() map[uint16]string {
	owners := map[uint16]string{}
	for name, objects := range o.objects {
		for _, c := range objects.containers {
			if port := apiPort(c); port != 0 {
				owners[port] = name
			}
		}
	}
	return owners
}

// probe looks at the host for what a creation must avoid. It tries the ports in the order in which choosePort will,
// and stops at the first free one.
func (s *Service) probe(o *observation, spec Spec, avoid avoided) {
	o.busyPorts = map[uint16]bool{}
	if !o.engine.Local {
		return
	}
	busy, nets := s.portBusy, s.hostSubnets
	if busy == nil {
		busy = portBusy
	}
	if nets == nil {
		nets = hostSubnets
	}
	o.hostSubnets = nets()
	for i, g := range spec.Groups {
		for j, p := range g.Ports {
			if addr, err := netip.ParseAddr(p.HostIP); err == nil && p.Protocol == "tcp" && busy(addr, p.HostPort) {
				o.busyGroupPorts = append(o.busyGroupPorts, groupPort{field: fmt.Sprintf("nodes[%d].ports[%d].hostPort", i, j), port: p.HostPort})
			}
		}
	}
	addr := netip.MustParseAddr(spec.APIAddress)
	if spec.APIPort != 0 {
		o.busyPorts[spec.APIPort] = busy(addr, spec.APIPort)
		return
	}
	owner := o.portOwners()
	for port := range ports(spec.Name) {
		if owner[port] != "" || avoid.ports[port] {
			continue
		}
		if !busy(addr, port) {
			return
		}
		o.busyPorts[port] = true
	}
}

// Windows' numbers for "address in use" and for a port that another program has for itself.
const (
	wsaAddrInUse = syscall.Errno(10048)
	wsaAccess    = syscall.Errno(10013)
)

// portBusy says if another program listens on a port. Any other trouble is left to the engine to report: it may
// have rights and addresses that this process has not.
func portBusy(addr netip.Addr, port uint16) bool {
	l, err := net.Listen("tcp", netip.AddrPortFrom(addr, port).String())
	if err == nil {
		return l.Close() != nil
	}
	var errno syscall.Errno
	return errors.As(err, &errno) && (errno == syscall.EADDRINUSE || errno == wsaAddrInUse || errno == wsaAccess)
}

// hostSubnets are the networks that this machine is on.
func hostSubnets() []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil // one that overlaps is then found out by the engine, or not at all
	}
	var nets []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			nets = append(nets, p.Masked())
		}
	}
	return nets
}

// endpointURL is the URL of the API for clients on this machine.
func endpointURL(engine EngineInfo, address string, port uint16) string {
	return "https://" + net.JoinHostPort(endpointHost(engine, address), strconv.Itoa(int(port)))
}

// endpointHost is where clients on this machine reach what the engine publishes on an address.
func endpointHost(engine EngineInfo, address string) string {
	addr, err := netip.ParseAddr(address)
	switch {
	case err == nil && !addr.IsUnspecified():
		return address
	case !engine.Local:
		if u, err := url.Parse(engine.Endpoint); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	case err == nil && addr.Is6():
		return "::1"
	}
	return "127.0.0.1"
}
