package component

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/coredns/coredns/plugin/metrics/vars"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/errgroup"
)

const (
	// dnsMetricsDirective is the Corefile's name of [setupDNSMetrics].
	dnsMetricsDirective = "skiffprometheus"
	// dnsMetricsPort is where CoreDNS shows its metrics everywhere.
	dnsMetricsPort = 9153
)

// setupDNSMetrics is the half of CoreDNS's prometheus plugin that counts. The other half shows all that the process
// registered, which here is the API server's and etcd's too; [serveDNSMetrics] is in its place.
func setupDNSMetrics(c *caddy.Controller) error {
	c.Next()
	if len(c.RemainingArgs()) > 0 {
		return plugin.Error(dnsMetricsDirective, c.ArgErr())
	}
	m := metrics.New("")
	for _, zone := range plugin.OriginsFromArgsOrServerBlock(nil, c.ServerBlockKeys) {
		m.AddZone(zone)
	}
	config := dnsserver.GetConfig(c)
	c.OnStartup(func() error {
		for _, host := range config.ListenHosts {
			server := config.Transport + "://" + net.JoinHostPort(host, config.Port)
			for _, p := range config.Handlers() {
				vars.PluginEnabled.WithLabelValues(server, config.Zone, config.ViewName, p.Name()).Set(1)
			}
		}
		return nil
	})
	config.AddPlugin(func(next plugin.Handler) plugin.Handler {
		m.Next = next
		return m
	})
	return nil
}

const (
	// ownMetrics begins the name of each of CoreDNS's metrics.
	ownMetrics = plugin.Namespace + "_"
	// clientMetrics are counted by the one client library for all components, although CoreDNS named them.
	clientMetrics = ownMetrics + "kubernetes_rest_client_"
)

// ofDNS keeps CoreDNS's own of all metrics, which it registers in the process's registry when its packages are loaded.
func ofDNS(all prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := all.Gather()
		own := families[:0]
		for _, f := range families {
			if name := f.GetName(); strings.HasPrefix(name, ownMetrics) && !strings.HasPrefix(name, clientMetrics) {
				own = append(own, f)
			}
		}
		return own, err
	})
}

// serveDNSMetrics shows CoreDNS's metrics on the node's addresses until ctx ends.
func serveDNSMetrics(ctx context.Context, n *Node) error {
	mux := http.NewServeMux()
	// A metric of another component that cannot be read is no reason to hide these.
	mux.Handle("/metrics", promhttp.HandlerFor(ofDNS(prometheus.DefaultGatherer), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	group, ctx := errgroup.WithContext(ctx)
	for _, ip := range n.IPs {
		group.Go(func() error {
			listener, err := net.Listen("tcp", net.JoinHostPort(ip.String(), strconv.Itoa(dnsMetricsPort)))
			if err != nil {
				return err
			}
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return group.Wait()
}
