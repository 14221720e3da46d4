package kube

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// TestSettle waits for a sign of life of each node, and until none has been given up for a while.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		lease := func(node string, at time.Duration) *coordinationv1.Lease {
			renewed := metav1.NewMicroTime(start.Add(at))
			return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: node}, Spec: coordinationv1.LeaseSpec{RenewTime: &renewed}}
		}
		node := func(name string, ready corev1.ConditionStatus) *corev1.Node {
			return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}}
		}
		c := fake.NewClientset(node("a", corev1.ConditionTrue), node("b", corev1.ConditionTrue), node("away", corev1.ConditionUnknown),
			lease("a", -20*time.Second), lease("b", -20*time.Second))
		at := func(after time.Duration, do func(ctx context.Context) error) {
			time.AfterFunc(after, func() {
				if err := do(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		renew := func(after time.Duration, node string) {
			at(after, func(ctx context.Context) error {
				_, err := c.CoordinationV1().Leases(corev1.NamespaceNodeLease).Update(ctx, lease(node, after), metav1.UpdateOptions{})
				return err
			})
		}
		is := func(after time.Duration, name string, ready corev1.ConditionStatus) {
			at(after, func(ctx context.Context) error {
				_, err := c.CoreV1().Nodes().UpdateStatus(ctx, node(name, ready), metav1.UpdateOptions{})
				return err
			})
		}
		renew(100*time.Millisecond, "a")
		renew(300*time.Millisecond, "b")
		is(700*time.Millisecond, "b", corev1.ConditionUnknown) // it was given up wrongly
		is(4*time.Second, "b", corev1.ConditionTrue)
		if err := settle(t.Context(), c, []string{"a", "b"}, start); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 4*time.Second+settleTime {
			t.Errorf("settled after %s", took)
		}
		for _, tc := range []struct {
			nodes []string
			want  string
		}{{[]string{"a", "away"}, "node away has given no sign of life"}, {[]string{"c"}, "node c has given no sign"}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := settle(ctx, c, tc.nodes, start); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q: %v, want %q", tc.nodes, err, tc.want)
			}
			cancel()
		}
		synctest.Wait()
	})
}
