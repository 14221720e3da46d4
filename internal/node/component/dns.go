package component

import (
	"context"
	"fmt"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	_ "github.com/coredns/coredns/plugin/bind" // plugins register themselves
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	clusterdns "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance" // registers itself, as the above
	"golang.org/x/sync/errgroup"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// dnsDirective is the Corefile's name of [setupClusterDNS].
const dnsDirective = "skiffkubernetes"

func init() {
	if err := dnsserver.Register(); err != nil {
		panic(err) // only on a second registration
	}
	caddy.Quiet = true
	dnsserver.Quiet = true
	for i, name := range dnsserver.Directives {
		switch name {
		case "kubernetes":
			dnsserver.Directives[i] = dnsDirective
		case "prometheus":
			dnsserver.Directives[i] = dnsMetricsDirective
		}
	}
	plugin.Register(dnsDirective, setupClusterDNS)
	plugin.Register(dnsMetricsDirective, setupDNSMetrics)
}

// DNS serves cluster DNS on the node's address, and next to it, on port 53, what [HostDNS] serves.
func DNS(n *Node) supervise.Component {
	ready := make(chan struct{})
	return supervise.Component{
		Name:    NameDNS,
		Version: moduleVersion("github.com/coredns/coredns"),
		Runner: supervise.Func(func(ctx context.Context) error {
			client, err := NewClient(n)
			if err != nil {
				return err
			}
			published := make(chan error, 1)
			go func() {
				published <- untilReached(ctx, func() error { return publishDNS(ctx, client, n) })
			}()
			stop, err := startDNS(Corefile(n))
			if err != nil {
				return err
			}
			defer stop()
			if err := <-published; err != nil {
				return err
			}
			Logger(NameDNS).Info("Cluster DNS answers", "addresses", n.IPs, "port", nodeapi.ClusterDNSPort, "service", n.DNSServiceIPs)
			close(ready)
			group, ctx := errgroup.WithContext(ctx)
			group.Go(func() error {
				if err := serveDNSMetrics(ctx, n); err != nil && ctx.Err() == nil {
					return fmt.Errorf("show CoreDNS's metrics: %w", err)
				}
				return nil
			})
			if n.HighlyAvailable() {
				group.Go(func() error { return followDNSNodes(ctx, client) })
			}
			return group.Wait()
		}),
		Ready:   awaitClosed(ready, "CoreDNS to read Services, and for the kube-dns Service"),
		Restart: once,
	}
}

// HostDNS serves on the node's address what the container's own resolver knows, for pods with dnsPolicy Default: they
// cannot reach that one, because it listens on the node's loopback.
func HostDNS(n *Node) supervise.Component {
	ready := make(chan struct{})
	return supervise.Component{
		Name:    NameDNS,
		Version: moduleVersion("github.com/coredns/coredns"),
		Runner: supervise.Func(func(ctx context.Context) error {
			stop, err := startDNS(hostZone(n))
			if err != nil {
				return err
			}
			defer stop()
			Logger(NameDNS).Info("The host's DNS answers", "addresses", n.IPs, "port", nodeapi.HostDNSPort)
			close(ready)
			<-ctx.Done()
			return nil
		}),
		Ready:   awaitClosed(ready, "CoreDNS to listen"),
		Restart: once,
	}
}

// startDNS starts CoreDNS.
func startDNS(corefile string) (stop func(), err error) {
	instance, err := caddy.Start(caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"})
	if err != nil {
		return nil, fmt.Errorf("start CoreDNS: %w", err)
	}
	return func() { _ = instance.Stop() }, nil
}

// Corefile is the configuration of a server's CoreDNS: upstream's defaults for a cluster, with our own plugins in place of
// "kubernetes" and "prometheus", which take the whole process for theirs.
func Corefile(n *Node) string {
	return fmt.Sprintf(`.:%d {
	bind %s
	errors
	%s %s in-addr.arpa ip6.arpa {
		kubeconfig %s
		pods insecure
		fallthrough in-addr.arpa ip6.arpa
		ttl 30
	}
	%s
	forward . /etc/resolv.conf {
		max_concurrent 1000
	}
	cache 30 {
		disable success %[4]s
		disable denial %[4]s
	}
	loadbalance
}
`, nodeapi.ClusterDNSPort, bindAddresses(n), dnsDirective, n.ClusterDomain, n.Kubeconfig("admin"), dnsMetricsDirective) + hostZone(n)
}

// hostZone is the part of the configuration that is the same on every node.
func hostZone(n *Node) string {
	return fmt.Sprintf(`.:%d {
	bind %s
	errors
	forward . /etc/resolv.conf
	cache 30
}
`, nodeapi.HostDNSPort, bindAddresses(n))
}

func bindAddresses(n *Node) string {
	var addresses []string
	for _, ip := range n.IPs {
		addresses = append(addresses, ip.String())
	}
	return strings.Join(addresses, " ")
}

// setupClusterDNS is CoreDNS's kubernetes plugin without its side effect: upstream's set-up replaces klog's
// logger for the whole process, in which all of Kubernetes runs.
func setupClusterDNS(c *caddy.Controller) error {
	c.Next()
	k, err := clusterdns.ParseStanza(c)
	if err != nil {
		return plugin.Error(dnsDirective, err)
	}
	onStart, onShut, err := k.InitKubeCache(context.Background())
	if err != nil {
		return plugin.Error(dnsDirective, err)
	}
	if onStart != nil {
		c.OnStartup(onStart)
	}
	if onShut != nil {
		c.OnShutdown(onShut)
	}
	dnsserver.GetConfig(c).AddPlugin(func(next plugin.Handler) plugin.Handler {
		k.Next = next
		return k
	})
	return nil
}
