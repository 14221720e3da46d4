package component

import (
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/metrics/vars"
	"github.com/prometheus/client_golang/prometheus"
	clientmetrics "k8s.io/client-go/tools/metrics"
)

// TestDNSMetrics: of all that this process counts, CoreDNS shows what is its own.
func TestDNSMetrics(t *testing.T) {
	clientmetrics.RequestResult.Increment(t.Context(), "200", "GET", "of-the-kubelet")
	vars.Panic.Add(0)
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	own, err := ofDNS(prometheus.DefaultGatherer).Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(own) == 0 || len(own) == len(all) {
		t.Errorf("%d of %d metrics", len(own), len(all))
	}
	found := false
	for _, f := range own {
		if !strings.HasPrefix(f.GetName(), "coredns_") || strings.Contains(f.GetName(), "rest_client") {
			t.Errorf("shows %s", f.GetName())
		}
		found = found || f.GetName() == "coredns_panics_total"
	}
	if !found {
		t.Error("coredns_panics_total is not shown")
	}
}
