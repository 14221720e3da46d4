package kubernetes

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// inspectNode adds to the configuration what the node finds out about itself.
func inspectNode(config nodeapi.Config) (*component.Node, error) {
	node := &component.Node{Config: config, Place: component.NodePlace(config.PodCIDRs)}
	iface, addresses, err := nodeInterface()
	if err != nil {
		return nil, err
	}
	node.MTU = iface.MTU
	if len(config.NodePodCIDRs) == 0 {
		return nil, errors.New("the configuration gives this node no pod range")
	}
	for _, cidr := range config.PodCIDRs { // one address per family, in the order of the pod ranges
		for _, address := range addresses {
			if address.Is4() == cidr.Addr().Is4() {
				node.IPs = append(node.IPs, address)
				break
			}
		}
	}
	if len(node.IPs) != len(config.PodCIDRs) {
		return nil, fmt.Errorf("interface %s has addresses %v: not one for each of the pod ranges %v", iface.Name, addresses, config.PodCIDRs)
	}
	return node, nil
}

// nodeInterface returns the interface on the cluster's network: the first that is up and has an address. Docker calls
// its interfaces eth0, eth1 and so on: a network that is connected again gets the next number. Those of pods' veth
// pairs have addresses as well, and other names.
func nodeInterface() (*net.Interface, []netip.Addr, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		iface := &all[i]
		if iface.Flags&net.FlagUp == 0 || !strings.HasPrefix(iface.Name, component.NodeInterfacePrefix) {
			continue
		}
		addresses, err := globalAddresses(iface)
		if err != nil {
			return nil, nil, err
		}
		if len(addresses) > 0 {
			return iface, addresses, nil
		}
	}
	return nil, nil, errors.New("no network interface: the node's container is not connected to the cluster's network")
}

func globalAddresses(iface *net.Interface) ([]netip.Addr, error) {
	list, err := iface.Addrs()
	if err != nil {
		return nil, err
	}
	var addresses []netip.Addr
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() {
			addresses = append(addresses, prefix.Addr().Unmap())
		}
	}
	return addresses, nil
}
