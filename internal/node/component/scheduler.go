package component

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/config"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Scheduler assigns pods to nodes.
func Scheduler(n *Node) supervise.Component {
	url := fmt.Sprintf("https://127.0.0.1:%d/", nodeapi.SchedulerPort)
	return supervise.Component{
		Name:      NameScheduler,
		Version:   kubernetesVersion(),
		DependsOn: []string{NameAPIServer},
		Runner: supervise.Func(func(ctx context.Context) error {
			return runScheduler(ctx, n)
		}),
		Ready:   awaitHTTP(url + "readyz"),
		Healthy: probeHTTP(url + "livez"),
		Restart: once,
	}
}

// SchedulerArgs are the scheduler's flags.
func SchedulerArgs(n *Node) []string {
	kubeconfig := n.Kubeconfig(NameScheduler)
	args := []string{
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", nodeapi.SchedulerPort),
		"--tls-cert-file=" + n.PKI("kube-scheduler.crt"),
		"--tls-private-key-file=" + n.PKI("kube-scheduler.key"),
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--client-ca-file=" + n.PKI("ca.crt"),
		"--requestheader-client-ca-file=" + n.PKI("front-proxy-ca.crt"),
		"--kube-api-qps=500", "--kube-api-burst=1000",
		// On by default, and then every goroutine of the whole process that waits notes where it did.
		"--contention-profiling=false",
	}
	return n.withExtra(NameScheduler, append(args, electionArgs(n)...))
}

func runScheduler(ctx context.Context, n *Node) error {
	opts := options.NewOptions()
	if err := parse(NameScheduler, opts.Flags.FlagSets, SchedulerArgs(n)); err != nil {
		return err
	}
	name, err := cache.NewInformerName(NameScheduler)
	if err != nil {
		return err
	}
	opts.InformerName = name
	cc, sched, err := app.Setup(ctx, opts)
	if err != nil {
		return err
	}
	if cc.LeaderElection == nil {
		return app.Run(ctx, cc, sched)
	}
	return runElected(ctx, n, cc, sched)
}

// runElected runs a scheduler that takes part in an election. Upstream's ends the whole process as soon as it is asked to
// end, whether it leads or not, and the API server and the datastore would have no time to end in order. So it is only
// asked to give its office back, if it has it, and is stopped there. What is left of it goes with the process.
func runElected(ctx context.Context, n *Node, cc *config.CompletedConfig, sched *scheduler.Scheduler) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	lock := &office{Interface: cc.LeaderElection.Lock, released: make(chan struct{})}
	cc.LeaderElection.Lock = lock
	go stepDown(running, n, NameScheduler, lock.held.Load, stop)
	ended := make(chan error, 1)
	go func() {
		defer stop()
		ended <- app.Run(running, cc, sched)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if lock.held.Load() {
		stop()
		select {
		case <-lock.released:
		case <-time.After(releaseTime): // it will be noticed when the lease ends
		}
	}
	return nil
}

// releaseTime is how long giving an office back may take.
const releaseTime = time.Second

// office is the lock of an election. Who gives it back does not return.
type office struct {
	resourcelock.Interface
	held     atomic.Bool
	released chan struct{}
}

// Create implements resourcelock.Interface.
func (o *office) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	err := o.Interface.Create(ctx, r)
	if err == nil {
		o.held.Store(true)
	}
	return err
}

// Update implements resourcelock.Interface.
func (o *office) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	err := o.Interface.Update(ctx, r)
	switch {
	case err != nil:
	case r.HolderIdentity == "":
		close(o.released)
		select {}
	default:
		o.held.Store(true)
	}
	return err
}
