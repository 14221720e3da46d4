package component

import (
	"context"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver"
	"google.golang.org/grpc"
)

// lostAfter is how long a write that was begun under another leader may still take before it counts as lost. One that
// waited for the new leader takes milliseconds.
const lostAfter = time.Second

// lostMethods are what is repeated when it was lost.
var lostMethods = map[string]bool{"/etcdserverpb.KV/Txn": true, "/etcdserverpb.Lease/LeaseGrant": true}

// repeatLost repeats writes that were lost with the member that led. A member passes writes on to the leader, and if that
// dies etcd notices nothing: it waits for the answer for seven seconds and fails. In that time nodes cannot renew their
// leases and controllers their office, so that the death of one server would be felt by all.
//
// Whatever was passed on and survived is applied here when the new leader has begun, and answered. What is not has
// gone; should it turn up all the same, it changes nothing, because Kubernetes writes only under the condition that
// nobody else has written.
func repeatLost(server func() *etcdserver.EtcdServer) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		s := server()
		if s == nil || !lostMethods[info.FullMethod] {
			return handler(ctx, req)
		}
		return untilLost(ctx, s.LeaderChangedNotify(), lostAfter, func(ctx context.Context) (any, error) { return handler(ctx, req) })
	}
}

// untilLost does something. If it has no answer a while after the leader changed, it is done anew.
func untilLost(ctx context.Context, changed <-chan struct{}, patience time.Duration, do func(context.Context) (any, error)) (any, error) {
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan struct{})
	lost := make(chan bool, 1)
	go func() {
		select {
		case <-changed:
		case <-answered:
			lost <- false
			return
		}
		select {
		case <-time.After(patience):
			cancel()
			lost <- true
		case <-answered:
			lost <- false
		}
	}()
	answer, err := do(first)
	close(answered)
	if <-lost && err != nil && ctx.Err() == nil {
		return do(ctx)
	}
	return answer, err
}
