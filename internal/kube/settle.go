package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// settleTime is how long nodes must be Ready. The controller that compares their signs of life with the clock is overdue
// like all that was frozen, looks at once, and may give up a node that is just giving a sign; nothing tells that it has looked.
const settleTime = time.Second

// Settle implements cluster.Kube.
func (Kube) Settle(ctx context.Context, creds *cluster.Credentials, nodes []string, since time.Time) error {
	c, err := client(creds)
	if err != nil {
		return err
	}
	return settle(ctx, c, nodes, since)
}

func settle(ctx context.Context, c kubernetes.Interface, names []string, since time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	nodeAPI, leaseAPI := c.CoreV1().Nodes(), c.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	nodes := follow(ctx, c, &corev1.Node{}, changed,
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return nodeAPI.List(ctx, o) }, nodeAPI.Watch)
	leases := follow(ctx, c, &coordinationv1.Lease{}, changed,
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return leaseAPI.List(ctx, o) }, leaseAPI.Watch)
	var settled <-chan time.Time
	for {
		missing := unsettled(names, nodes, leases, since)
		switch {
		case missing != "":
			settled = nil
		case settled == nil:
			settled = time.After(settleTime)
		}
		select {
		case <-changed:
		case <-settled:
			return nil
		case <-ctx.Done():
			if missing == "" {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%s: %w", missing, context.Cause(ctx))
		}
	}
}

// follow keeps what there is of a kind of object, by name, until ctx ends. changed has something in it when that changed.
func follow[T runtime.Object](ctx context.Context, c kubernetes.Interface, kind T, changed chan<- struct{},
	list cache.ListWithContextFunc, watch func(context.Context, metav1.ListOptions) (watch.Interface, error)) cache.Store {
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{ListWithContextFunc: list, WatchFuncWithContext: watch}, c),
		ObjectType:    kind,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { tell() }, UpdateFunc: func(any, any) { tell() }, DeleteFunc: func(any) { tell() },
		},
	})
	go controller.RunWithContext(ctx)
	return store
}

// unsettled says what is missing until some nodes are Ready and have given a sign of life after a time, "" if nothing is.
func unsettled(names []string, nodes, leases cache.Store, since time.Time) string {
	for _, name := range names {
		sign := false
		if o, ok, _ := leases.GetByKey(corev1.NamespaceNodeLease + "/" + name); ok {
			renewed := o.(*coordinationv1.Lease).Spec.RenewTime
			sign = renewed != nil && renewed.After(since)
		}
		if !sign {
			return fmt.Sprintf("node %s has given no sign of life since it goes on", name)
		}
		o, ok, _ := nodes.GetByKey(name)
		if !ok || !slices.ContainsFunc(o.(*corev1.Node).Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			return fmt.Sprintf("node %s is not Ready", name)
		}
	}
	return ""
}
