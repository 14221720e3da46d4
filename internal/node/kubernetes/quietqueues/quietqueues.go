// Package quietqueues leaves out the metrics of client-go's work queues. With them, each of a node's hundred queues
// wakes up twice a second to measure how long its work takes: a quarter of all that an idle node does.
//
// Queues without a provider of metrics do not do that, but k8s.io/component-base/metrics/prometheus/workqueue, which
// every upstream component imports, sets one while it is initialised. Only the first call counts, and this package's
// comes before it: it imports nothing but the queues, and Go initialises packages that are ready in the order of their
// import paths, so "github.com/…" comes before "k8s.io/…". A test of package kubernetes holds it to that.
package quietqueues

import (
	_ "unsafe" // for go:linkname

	"k8s.io/client-go/util/workqueue"
)

// none is the provider that queues have before one is set. Queues tell by its type that they need not measure, and the
// type is not exported.
//
//go:linkname none k8s.io/client-go/util/workqueue.globalMetricsProvider
var none workqueue.MetricsProvider

func init() { workqueue.SetProvider(none) }
