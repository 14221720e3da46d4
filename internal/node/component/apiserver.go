package component

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// APIServer serves the Kubernetes API behind a door, which it opens for the other components when it is ready.
func APIServer(n *Node, door *Door) supervise.Component {
	return supervise.Component{
		Name:      NameAPIServer,
		Version:   kubernetesVersion(),
		DependsOn: []string{NameEtcd},
		Runner: supervise.Func(func(ctx context.Context) error {
			return runAPIServer(ctx, APIServerArgs(n), door)
		}),
		Ready: func(ctx context.Context) error {
			if err := awaitHTTP(n.apiServerURL() + "/readyz?verbose")(ctx); err != nil {
				return err
			}
			door.open()
			return nil
		},
		Healthy: probeHTTP(n.apiServerURL() + "/livez?verbose"),
		Restart: once,
		// A second for requests under way. Watches would be waited for as well, for a minute, and those of this
		// process's own components do not end before it does.
		StopTime: time.Second,
	}
}

// APIServerArgs are the API server's flags.
func APIServerArgs(n *Node) []string {
	args := []string{
		"--advertise-address=" + n.IP().String(),
		"--bind-address=" + n.APIServer.Addr().String(),
		fmt.Sprintf("--secure-port=%d", n.APIServer.Port()),
		"--etcd-servers=unix://" + n.EtcdSocket,
		"--tls-cert-file=" + n.PKI("apiserver.crt"),
		"--tls-private-key-file=" + n.PKI("apiserver.key"),
		"--client-ca-file=" + n.PKI("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--enable-bootstrap-token-auth=true",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + join(n.ServiceCIDRs),
		"--service-account-issuer=https://kubernetes.default.svc." + n.ClusterDomain,
		"--service-account-key-file=" + n.PKI("sa.pub"),
		"--service-account-signing-key-file=" + n.PKI("sa.key"),
		// The kubelet is dialled by its name first: its address may change, its name and certificate not.
		"--kubelet-preferred-address-types=Hostname,InternalIP",
		"--kubelet-certificate-authority=" + n.PKI("ca.crt"),
		"--kubelet-client-certificate=" + n.PKI("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + n.PKI("apiserver-kubelet-client.key"),
		"--requestheader-client-ca-file=" + n.PKI("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + n.PKI("front-proxy-client.crt"),
		"--proxy-client-key-file=" + n.PKI("front-proxy-client.key"),
	}
	if after := n.NodeFailure.EvictAfter; after > 0 {
		seconds := int(after.Seconds())
		args = append(args, fmt.Sprintf("--default-not-ready-toleration-seconds=%d", seconds),
			fmt.Sprintf("--default-unreachable-toleration-seconds=%d", seconds))
	}
	if len(n.RuntimeConfig) > 0 {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(n.RuntimeConfig)) {
			list = append(list, name+"="+n.RuntimeConfig[name])
		}
		args = append(args, "--runtime-config="+strings.Join(list, ","))
	}
	return n.withExtra(NameAPIServer, args)
}

func runAPIServer(ctx context.Context, args []string, listener net.Listener) error {
	s := options.NewServerRunOptions()
	fss := s.Flags()
	if err := parse(NameAPIServer, fss.FlagSets, args); err != nil {
		return err
	}
	s.SecureServing.Listener = listener
	completed, err := s.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return utilerrors.NewAggregate(errs)
	}
	return app.Run(ctx, completed)
}
