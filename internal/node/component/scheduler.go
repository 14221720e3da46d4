package component

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Scheduler assigns pods to nodes. If it is elected, it ends the whole process as soon as it has been asked to end and has
// given its office back, so it ends when the controller manager, which has an office as well, has ended.
func Scheduler(n *Node, controllersEnded <-chan struct{}) supervise.Component {
	url := fmt.Sprintf("https://127.0.0.1:%d/", nodeapi.SchedulerPort)
	return supervise.Component{
		Name:      NameScheduler,
		Version:   kubernetesVersion(),
		DependsOn: []string{NameAPIServer},
		Runner: supervise.Func(func(ctx context.Context) error {
			if n.HighlyAvailable() {
				var cancel func()
				ctx, cancel = later(ctx, controllersEnded)
				defer cancel()
			}
			return runScheduler(ctx, SchedulerArgs(n))
		}),
		Ready:   awaitHTTP(url + "readyz"),
		Healthy: probeHTTP(url + "livez"),
		Restart: once,
	}
}

// laterThan is how long [later] waits for the other.
const laterThan = 2 * time.Second

// later is a context that ends after ctx, when something else has ended, too.
func later(ctx context.Context, ended <-chan struct{}) (context.Context, func()) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-ended:
		case <-time.After(laterThan): // it may never have begun
		case <-running.Done():
		}
		cancel()
	})
	return running, func() {
		stop()
		cancel()
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
	}
	return n.withExtra(NameScheduler, append(args, electionArgs(n)...))
}

func runScheduler(ctx context.Context, args []string) error {
	opts := options.NewOptions()
	if err := parse(NameScheduler, opts.Flags.FlagSets, args); err != nil {
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
	return app.Run(ctx, cc, sched)
}
