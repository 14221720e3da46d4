package component

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NodeInterfacePrefix is what the names of the interfaces begin with that the engine gives a node.
const NodeInterfacePrefix = "eth"

// followNodeLink calls connected each time after the node was connected to a network, until ctx ends. The engine makes a
// new interface for that, and with the old one the kernel has dropped all routes over it. If the node has another address
// than addresses, too much has been told of the old one: that is an error, and the process begins anew.
func followNodeLink(ctx context.Context, addresses []netip.Addr, connected func() error) error {
	updates, failed := make(chan netlink.RouteUpdate), make(chan error, 1)
	err := netlink.RouteSubscribeWithOptions(updates, ctx.Done(), netlink.RouteSubscribeOptions{
		ErrorCallback: func(err error) {
			select {
			case failed <- err:
			default:
			}
		},
	})
	if err != nil {
		return fmt.Errorf("follow the kernel's routes: %w", err)
	}
	for u := range updates {
		if !isConnected(u) {
			continue
		}
		if err := sameAddresses(addresses); err != nil {
			return err
		}
		if err := connected(); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow the kernel's routes: %w", <-failed)
}

// isConnected is true for the route to all that is on a network, which appears when the node can send there.
func isConnected(u netlink.RouteUpdate) bool {
	if u.Type != unix.RTM_NEWROUTE || u.Gw != nil || u.Table != unix.RT_TABLE_MAIN {
		return false
	}
	link, err := netlink.LinkByIndex(u.LinkIndex)
	return err == nil && strings.HasPrefix(link.Attrs().Name, NodeInterfacePrefix) // if it has gone again, so has the route
}

// sameAddresses fails if the node does not have all the addresses that it had.
func sameAddresses(before []netip.Addr) error {
	now, err := nodeAddresses()
	if err != nil {
		return err
	}
	for _, a := range before {
		sameFamily := func(n netip.Addr) bool { return n.Is4() == a.Is4() } // those of the other may be about to come
		if !slices.Contains(now, a) && slices.ContainsFunc(now, sameFamily) {
			return fmt.Errorf("the node's address was %s, and its addresses are now %v", a, now)
		}
	}
	return nil
}

// nodeAddresses are the addresses on the networks that the engine has connected the node to.
func nodeAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for i := range interfaces {
		if !strings.HasPrefix(interfaces[i].Name, NodeInterfacePrefix) {
			continue
		}
		list, err := interfaces[i].Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
				all = append(all, prefix.Addr().Unmap())
			}
		}
	}
	return all, nil
}
