// Package component describes each part of a node that runs inside the Kubernetes process: one file each,
// a function from [Node] to a [supervise.Component]. It is the only package that imports
// k8s.io/kubernetes: another minor version of Kubernetes changes these files, and little besides, which CONTRIBUTING.md names.
//
// Upstream code runs through its Go API (options and Run), never through its New…Command functions: those
// install signal handlers that panic when a second component does the same. What upstream is told are the
// same flags as anywhere else, made by a pure function per component, so that they can be compared, and those
// that the user adds come last and win.
package component

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Names of the components. They appear in status, events and logs.
const (
	NameEtcd              = "etcd"
	NameAPIServer         = "kube-apiserver"
	NameControllerManager = "kube-controller-manager"
	NameScheduler         = "kube-scheduler"
	NameKubelet           = "kubelet"
	NameKubeProxy         = "kube-proxy"
	NameDNS               = "coredns"
	NamePodNetwork        = "pod-network"
	NamePodRoutes         = "pod-routes"
	NameBalancer          = "balancer"
	NameRegistration      = "registration"
)

// Speakers are the components that we say something for, with [Logger]: they are not upstream's, or upstream is silent
// while all is well.
var Speakers = []string{NameEtcd, NameDNS, NamePodNetwork, NamePodRoutes, NameRegistration}

// Logger logs for one of the [Speakers]. Its line names the component, because the functions on the stack do not: the
// compiler is free to move them into their callers.
func Logger(name string) klog.Logger { return klog.LoggerWithName(klog.Background(), name) }

// Node is what the components need to know of the node they run on.
type Node struct {
	nodeapi.Config
	// IPs are the node's own addresses, one per family, the primary family first.
	IPs []netip.Addr
	// MTU is that of the node's interface; Docker's networks may have less than 1500.
	MTU int
	Place
}

// Place is where the components keep their files and listen, as far as it is not the same everywhere: the
// image build runs etcd, the API server and the controller manager once on its own host, to make the seed.
type Place struct {
	// PKIDir holds the node's keys and certificates.
	PKIDir string
	// KubeconfigDir holds the components' kubeconfig files, derived anew at every start.
	KubeconfigDir string
	// EtcdDir holds the datastore, and EtcdSocket is where it is served.
	EtcdDir, EtcdSocket string
	// APIServer is where the API server listens. It is reached on the loopback in any case.
	APIServer netip.AddrPort
	// LocalAPIPort is the port on the loopback that components use (see [Door]); 0 means APIServer's.
	LocalAPIPort uint16
	// ControllerManagerPort is a port on the loopback.
	ControllerManagerPort uint16
}

// NodePlace is the Place of the components inside a node whose pods have these networks.
func NodePlace(pods []netip.Prefix) Place {
	every := netip.IPv4Unspecified()
	if slices.ContainsFunc(pods, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		every = netip.IPv6Unspecified() // which is that of IPv4 as well
	}
	return Place{
		PKIDir:                nodeapi.PKIDir,
		KubeconfigDir:         filepath.Dir(nodeapi.AdminKubeconfigPath),
		EtcdDir:               nodeapi.EtcdDir,
		EtcdSocket:            nodeapi.EtcdSocket,
		APIServer:             netip.AddrPortFrom(every, nodeapi.APIServerPort),
		LocalAPIPort:          nodeapi.LocalAPIPort,
		ControllerManagerPort: nodeapi.ControllerManagerPort,
	}
}

// IP is the node's primary address.
func (n *Node) IP() netip.Addr { return n.IPs[0] }

// PKI returns the path of a file in the node's PKI directory.
func (n *Node) PKI(name string) string { return filepath.Join(n.PKIDir, name) }

// apiServerURL is where this node's API server is asked whether it is ready.
func (n *Node) apiServerURL() string { return fmt.Sprintf("https://127.0.0.1:%d", n.APIServer.Port()) }

// ClientURL is how the components of this node reach the API server.
func (n *Node) ClientURL() string {
	if n.LocalAPIPort == 0 {
		return n.apiServerURL()
	}
	return fmt.Sprintf("https://127.0.0.1:%d", n.LocalAPIPort)
}

// LocalAPI is where components of this node reach an API server: its own, or on an agent a balancer over all.
func (n *Node) LocalAPI() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), n.LocalAPIPort)
}

// Kubeconfig returns the path of the kubeconfig of a user: "admin", "kubelet", a component's name.
func (n *Node) Kubeconfig(user string) string {
	return filepath.Join(n.KubeconfigDir, user+".conf")
}

// HighlyAvailable is true if there is more than one server: then leaders are elected.
func (n *Node) HighlyAvailable() bool { return len(n.Servers) > 1 }

// kubernetesVersion is the version of upstream's code in this binary.
func kubernetesVersion() string { return version.Get().GitVersion }

// withExtra adds the flags that the user wants a component to have. The last word counts, so they come last.
func (n *Node) withExtra(component string, args []string) []string {
	extra := n.ExtraArgs[component]
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		args = append(args, "--"+name+"="+extra[name])
	}
	return args
}

// join renders prefixes or addresses as upstream's flags want lists.
func join[T fmt.Stringer](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return strings.Join(words, ",")
}

// newFlagSet returns an empty flag set for a component.
func newFlagSet(name string) *pflag.FlagSet { return pflag.NewFlagSet(name, pflag.ContinueOnError) }

// parse applies arguments to a component's flag sets.
func parse(name string, sets map[string]*pflag.FlagSet, args []string) error {
	all := newFlagSet(name)
	for _, fs := range sets {
		all.AddFlagSet(fs)
	}
	if err := all.Parse(args); err != nil {
		return fmt.Errorf("%s: flags: %w", name, err)
	}
	return nil
}
