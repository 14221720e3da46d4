package component

import (
	"context"
	"fmt"
	"time"

	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// ControllerManager runs upstream's controllers. built is closed when all of them have been built.
func ControllerManager(n *Node, built chan struct{}) supervise.Component {
	url := fmt.Sprintf("https://127.0.0.1:%d/healthz", n.ControllerManagerPort)
	return supervise.Component{
		Name:    NameControllerManager,
		Version: kubernetesVersion(),
		// Its start asks the API server things, and gives up after ten seconds.
		DependsOn: []string{NameAPIServer},
		Runner: supervise.Func(func(ctx context.Context) error {
			go func() {
				// It serves before it has a controller; each gets a check of its own when all are built.
				if awaitWord(url+"?verbose", names.PersistentVolumeAttachDetachController, builtInterval(n))(ctx) == nil {
					close(built)
				}
			}()
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			go stepDown(ctx, n, NameControllerManager, func() bool { return isClosed(built) }, stop)
			return runControllerManager(ctx, ControllerManagerArgs(n))
		}),
		Ready: func(ctx context.Context) error {
			if n.HighlyAvailable() {
				return awaitHTTP(url)(ctx) // the controllers are built when it leads
			}
			return awaitClosed(built, "the controllers")(ctx)
		},
		Healthy: probeHTTP(url),
		Restart: once,
	}
}

// builtInterval is how often the controller manager is asked whether it has built its controllers. Where several wait to
// lead, that may take for ever.
func builtInterval(n *Node) time.Duration {
	if n.HighlyAvailable() {
		return 250 * time.Millisecond
	}
	return probeInterval
}

// ControllerManagerArgs are the controller manager's flags.
func ControllerManagerArgs(n *Node) []string {
	kubeconfig := n.Kubeconfig(NameControllerManager)
	args := []string{
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", n.ControllerManagerPort),
		"--tls-cert-file=" + n.PKI("kube-controller-manager.crt"),
		"--tls-private-key-file=" + n.PKI("kube-controller-manager.key"),
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--client-ca-file=" + n.PKI("ca.crt"),
		"--requestheader-client-ca-file=" + n.PKI("front-proxy-ca.crt"),
		"--root-ca-file=" + n.PKI("ca.crt"),
		"--cluster-name=" + n.Cluster,
		"--cluster-signing-cert-file=" + n.PKI("ca.crt"),
		"--cluster-signing-key-file=" + n.PKI("ca.key"),
		"--service-account-private-key-file=" + n.PKI("sa.key"),
		"--use-service-account-credentials=true",
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + join(n.PodCIDRs),
		"--service-cluster-ip-range=" + join(n.ServiceCIDRs),
		"--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
		// The default of 20 requests a second spreads the start of forty controllers over seconds, and is felt in
		// every rollout. The API server protects itself, by priority and fairness.
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}
	if after := n.NodeFailure.NotReadyAfter; after > 0 {
		args = append(args, "--node-monitor-grace-period="+after.String(), "--node-monitor-period="+nodeMonitorPeriod(after).String(),
			// Nodes a second. Upstream's is one in ten seconds, by which the pods of a second node that fails with the first
			// would move that much later.
			"--node-eviction-rate=10")
	}
	return n.withExtra(NameControllerManager, append(args, electionArgs(n)...))
}

// nodeMonitorPeriod is how often the controller manager looks for nodes that are not heard of: five seconds upstream,
// which would be added to a short grace.
func nodeMonitorPeriod(grace time.Duration) time.Duration {
	return min(max(grace/8, 500*time.Millisecond), 5*time.Second)
}

// electionArgs are the flags of components of which one leads, among several servers. Upstream's leases of 15 seconds
// would make every loss of a server felt for as long. A leader that could not renew its lease in time ends its process,
// so the times leave room for a machine that is busy starting five nodes.
func electionArgs(n *Node) []string {
	if !n.HighlyAvailable() {
		return []string{"--leader-elect=false"}
	}
	return []string{
		"--leader-elect=true", "--leader-elect-lease-duration=" + leaseDuration.String(),
		"--leader-elect-renew-deadline=5s", "--leader-elect-retry-period=1s",
	}
}

func runControllerManager(ctx context.Context, args []string) error {
	s, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	fss := s.Flags(known, disabled, aliases)
	s.ParsedFlags = &fss
	if err := parse(NameControllerManager, fss.FlagSets, args); err != nil {
		return err
	}
	c, err := s.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	return app.Run(ctx, c.Complete())
}
