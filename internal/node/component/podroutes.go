package component

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// routeProtocol marks the routes that are ours (the kernel's field says who made a route; 0 to 4 are its own).
const routeProtocol netlink.RouteProtocol = 0x5f

// PodRoutes sends what is for another node's pods to that node, which is on the same network: a route for each node's
// pod range. api is the component that the API server is reached by.
func PodRoutes(n *Node, api string) supervise.Component {
	ready := make(chan struct{})
	return supervise.Component{
		Name:      NamePodRoutes,
		DependsOn: []string{api},
		Runner: supervise.Func(func(ctx context.Context) error {
			// A kubelet may read its own node only; kube-proxy reads all.
			client, err := newClientOf(n, NameKubeProxy)
			if err != nil {
				return err
			}
			r := &podRoutes{node: n, kernel: kernelRoutes{}, logger: Logger(NamePodRoutes)}
			group, ctx := errgroup.WithContext(ctx)
			group.Go(func() error { return followNodes(ctx, client, r.sync, ready) })
			group.Go(func() error { return followNodeLink(ctx, n.IPs, r.again) })
			return group.Wait()
		}),
		Ready:   awaitClosed(ready, "the list of nodes"),
		Restart: once,
	}
}

// followNodes calls each with all nodes, now and after every change of one of them, until ctx ends. first is closed
// after the first call. An error ends it.
func followNodes(ctx context.Context, client kubernetes.Interface, each func([]*corev1.Node) error, first chan<- struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	factory := informers.NewSharedInformerFactory(client, 0)
	nodes := factory.Core().V1().Nodes().Informer()
	var mu sync.Mutex
	call := func() {
		if !nodes.HasSynced() {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		var list []*corev1.Node
		for _, o := range nodes.GetStore().List() {
			list = append(list, o.(*corev1.Node))
		}
		if err := each(list); err != nil {
			cancel(err)
		}
	}
	if _, err := nodes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { call() },
		UpdateFunc: func(any, any) { call() },
		DeleteFunc: func(any) { call() },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	if cache.WaitForCacheSync(ctx.Done(), nodes.HasSynced) {
		call()
		close(first)
	}
	<-ctx.Done()
	cancel(nil)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// podRoutes keeps the kernel's routes to other nodes' pods as the nodes' objects say.
type podRoutes struct {
	node   *Node
	kernel routeTable
	logger klog.Logger

	mu    sync.Mutex
	nodes []*corev1.Node // as they were last seen
	last  map[netip.Prefix]netip.Addr
}

// routeTable is the part of the kernel's routes that is ours.
type routeTable interface {
	List() (map[netip.Prefix]netip.Addr, error)
	Set(to netip.Prefix, via netip.Addr) error
	Remove(to netip.Prefix, via netip.Addr) error
}

// wanted are the routes that follow from the nodes' objects: pod range to node.
func (r *podRoutes) wanted(nodes []*corev1.Node) map[netip.Prefix]netip.Addr {
	routes := map[netip.Prefix]netip.Addr{}
	for _, node := range nodes {
		if node.Name == r.node.Node {
			continue
		}
		for _, cidr := range node.Spec.PodCIDRs {
			to, err := netip.ParsePrefix(cidr)
			if err != nil || !r.forPods(to) {
				continue
			}
			for _, a := range node.Status.Addresses {
				via, err := netip.ParseAddr(a.Address)
				if a.Type == corev1.NodeInternalIP && err == nil && via.Is4() == to.Addr().Is4() {
					routes[to] = via
					break
				}
			}
		}
	}
	return routes
}

// forPods is false for what no other node may claim: traffic that is not for pods, and what is for this node's own.
func (r *podRoutes) forPods(to netip.Prefix) bool {
	return slices.ContainsFunc(r.node.PodCIDRs, func(all netip.Prefix) bool { return all.Contains(to.Addr()) && all.Bits() <= to.Bits() }) &&
		!slices.ContainsFunc(r.node.NodePodCIDRs, to.Overlaps)
}

// sync makes the kernel's routes what the nodes' objects ask for.
func (r *podRoutes) sync(nodes []*corev1.Node) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.nodes == nil
	r.nodes = nodes
	err := r.apply()
	if first && err == nil {
		r.logger.Info("Pods of other nodes have routes", "nodes", len(nodes)-1)
	}
	return err
}

// again is sync after the kernel may have lost routes.
func (r *podRoutes) again() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nodes == nil {
		return nil // nothing is known yet
	}
	r.last = nil
	return r.apply()
}

func (r *podRoutes) apply() error {
	wanted := r.wanted(r.nodes)
	if r.last == nil {
		there, err := r.kernel.List()
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		r.last = there
	}
	for to, via := range wanted {
		if r.last[to] == via {
			continue
		}
		err := r.kernel.Set(to, via)
		if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETDOWN) {
			continue // cut off from the network; when it is there again, the routes are set again
		}
		if err != nil {
			return fmt.Errorf("route %s via %s: %w", to, via, err)
		}
		r.last[to] = via
		r.logger.Info("route to pods", "to", to, "via", via)
	}
	for to, via := range r.last {
		if _, ok := wanted[to]; ok {
			continue
		}
		if err := r.kernel.Remove(to, via); err != nil {
			return fmt.Errorf("remove the route to %s: %w", to, err)
		}
		delete(r.last, to)
		r.logger.Info("no route to pods any more", "to", to, "via", via)
	}
	return nil
}

// kernelRoutes are the kernel's.
type kernelRoutes struct{}

func (kernelRoutes) List() (map[netip.Prefix]netip.Addr, error) {
	list, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return nil, err
	}
	routes := map[netip.Prefix]netip.Addr{}
	for _, route := range list {
		if route.Dst == nil {
			continue
		}
		ip, _ := netip.AddrFromSlice(route.Dst.IP)
		via, _ := netip.AddrFromSlice(route.Gw)
		ones, _ := route.Dst.Mask.Size()
		routes[netip.PrefixFrom(ip.Unmap(), ones)] = via.Unmap()
	}
	return routes, nil
}

func (kernelRoutes) Set(to netip.Prefix, via netip.Addr) error {
	return netlink.RouteReplace(route(to, via))
}

func (kernelRoutes) Remove(to netip.Prefix, via netip.Addr) error {
	err := netlink.RouteDel(route(to, via))
	if errors.Is(err, unix.ESRCH) { // gone with its interface
		return nil
	}
	return err
}

func route(to netip.Prefix, via netip.Addr) *netlink.Route {
	return &netlink.Route{
		Dst:      &net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), to.Addr().BitLen())},
		Gw:       via.AsSlice(),
		Protocol: routeProtocol,
	}
}
