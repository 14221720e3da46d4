package component

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

const (
	// leaseDuration is after which time without a sign of life another takes an office over.
	leaseDuration = 6 * time.Second
	// standstillTick is how often this process looks at the clock: nothing tells that it was frozen.
	standstillTick = 500 * time.Millisecond
)

// stepDown calls stop when this process has stood still, as in a container that was frozen, for so long that another took
// over the office that it holds, as held says. Upstream's leaders go on beside the new one until they have failed to
// renew their lease for five seconds, and meanwhile both make the same pods.
func stepDown(ctx context.Context, n *Node, lease string, held func() bool, stop func()) {
	if !n.HighlyAvailable() {
		return
	}
	client, err := NewClient(n)
	if err != nil {
		klog.Background().Error(err, "Nobody looks for standstills", "lease", lease)
		return
	}
	ticks := time.NewTicker(standstillTick)
	defer ticks.Stop()
	stood := standstill{last: time.Now()}
	for {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		if !stood.suspicious(time.Now()) || !held() {
			continue
		}
		if holder := holderOf(ctx, client, lease); holder != "" && !strings.HasPrefix(holder, n.Node+"_") {
			klog.Background().Info("This process stood still, and another has taken over", "lease", lease, "holder", holder)
			stop()
			return
		}
	}
}

// standstill notices by the clock that the process stood still.
type standstill struct {
	last, ended time.Time
}

// suspicious is true if the process stood still for as long as a lease lasts, now or a lease's time ago: so late may
// another who stood still, too, take over.
func (s *standstill) suspicious(now time.Time) bool {
	if now.Sub(s.last) >= leaseDuration {
		s.ended = now
	}
	s.last = now
	return !s.ended.IsZero() && now.Sub(s.ended) < leaseDuration
}

// holderOf is who holds a lease, "" if it cannot be told yet.
func holderOf(ctx context.Context, client kubernetes.Interface, lease string) string {
	ctx, cancel := context.WithTimeout(ctx, leaseDuration)
	defer cancel()
	l, err := client.CoordinationV1().Leases(metav1.NamespaceSystem).Get(ctx, lease, metav1.GetOptions{})
	if err != nil || l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}
