package component

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-proxy/app"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// KubeProxy programs Services into nftables.
func KubeProxy(n *Node) supervise.Component {
	url := fmt.Sprintf("http://127.0.0.1:%d/", nodeapi.KubeProxyHealthzPort)
	return supervise.Component{
		Name:      NameKubeProxy,
		Version:   kubernetesVersion(),
		DependsOn: []string{NameRegistration},
		Runner: supervise.Func(func(ctx context.Context) error {
			return runKubeProxy(ctx, KubeProxyArgs(n))
		}),
		Ready:   awaitHTTP(url + "livez"), // answers once the first rules are in the kernel
		Healthy: probeHTTP(url + "livez"),
		Restart: once,
	}
}

// KubeProxyArgs are kube-proxy's flags.
func KubeProxyArgs(n *Node) []string {
	return n.withExtra(NameKubeProxy, []string{
		"--proxy-mode=nftables",
		"--kubeconfig=" + n.Kubeconfig(NameKubeProxy),
		"--hostname-override=" + n.Node,
		"--cluster-cidr=" + join(n.PodCIDRs),
		"--healthz-bind-address=" + n.APIServer.Addr().String(), // every address, too
		fmt.Sprintf("--healthz-port=%d", nodeapi.KubeProxyHealthzPort),
		"--metrics-bind-address=127.0.0.1",
		// The default of 1 s suits thousands of Services; here it would be felt. (The flag's name is history:
		// it sets the period of every mode but ipvs.)
		"--iptables-min-sync-period=100ms",
		"--oom-score-adj=0",
		// conntrack's size is the host's: it is not ours to set.
		"--conntrack-max-per-core=0",
		"--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0s",
		"--conntrack-tcp-timeout-close-wait=0s",
	})
}

func runKubeProxy(ctx context.Context, args []string) error {
	opts := app.NewOptions()
	fs := newFlagSet(NameKubeProxy)
	opts.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if err := opts.Complete(fs); err != nil {
		return err
	}
	if err := opts.Validate(); err != nil {
		return err
	}
	// Run does not return when ctx ends: its loop only leaves on an error.
	failed := make(chan error, 1)
	go func() { failed <- opts.Run(ctx) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
