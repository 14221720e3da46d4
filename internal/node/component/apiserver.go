package component

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"
	schedulingrest "k8s.io/kubernetes/pkg/registry/scheduling/rest"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// APIServer serves the Kubernetes API behind a door, which it opens for the other components when it is ready. seeded says
// that its datastore begins with the seed (see [Seeded]).
func APIServer(n *Node, door *Door, seeded bool) supervise.Component {
	var done []string
	if seeded {
		done = seededHooks
	}
	return supervise.Component{
		Name:      NameAPIServer,
		Version:   kubernetesVersion(),
		DependsOn: []string{NameEtcd},
		Runner: supervise.Func(func(ctx context.Context) error {
			return runAPIServer(ctx, APIServerArgs(n), door, done)
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

// Seeded is true before the first start of a server whose datastore begins with the seed that the image build made, as the
// same API server would have written it. With other features it would write something else.
func Seeded(n *Node) bool {
	asBuilt := len(n.FeatureGates)+len(n.RuntimeConfig)+len(n.ExtraArgs) == 0
	return asBuilt && !n.Join && !etcdHasBegun(n.EtcdDir)
}

// seededHooks are the post-start hooks that write what is in the seed: the roles and bindings of RBAC, and the system's
// priority classes. Each of them waits for a second before it looks, and the API server is not ready before.
var seededHooks = []string{rbacrest.PostStartHookName, schedulingrest.PostStartHookName}

// runAPIServer does what upstream's app.Run does, but leaves out hooks whose work is done, and says so.
func runAPIServer(ctx context.Context, args []string, listener net.Listener, done []string) error {
	s := options.NewServerRunOptions()
	fss := s.Flags()
	if err := parse(NameAPIServer, fss.FlagSets, args); err != nil {
		return err
	}
	s.SecureServing.Listener = listener
	options, err := s.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := options.Validate(); len(errs) != 0 {
		return utilerrors.NewAggregate(errs)
	}
	if options.InformerName, err = cache.NewInformerName(NameAPIServer); err != nil {
		return err
	}
	config, err := app.NewConfig(options)
	if err != nil {
		return err
	}
	config.KubeAPIs.ControlPlane.Generic.DisabledPostStartHooks.Insert(done...)
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	server, err := app.CreateServerChain(completed)
	if err != nil {
		return err
	}
	for _, hook := range done { // who asks is told what any other cluster says
		check := healthz.NamedCheck("poststarthook/"+hook, func(*http.Request) error { return nil })
		if err := server.GenericAPIServer.AddBootSequenceHealthChecks(check); err != nil {
			return err
		}
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}
