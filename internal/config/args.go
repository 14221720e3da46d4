package config

import (
	"fmt"
	"regexp"
	"strings"
)

// ownFlags are the flags of each component that Skiff itself has to set, with the reason. A "*" at the end of a name
// stands for any rest.
var ownFlags = map[string][]struct{ name, reason string }{
	"etcd": {
		{"name", nameByNode}, {"data-dir", pathByNode}, {"wal-dir", pathByNode}, {"config-file", "Skiff configures etcd without a file"},
		{"listen-*", addressByNode}, {"advertise-*", addressByNode}, {"initial-*", membersByNode}, {"discovery*", membersByNode},
		{"force-new-cluster", membersByNode},
		{"cert-file", certByNode}, {"key-file", certByNode}, {"trusted-ca-file", certByNode}, {"client-cert-auth", certByNode},
		{"peer-*", certByNode}, {"auto-tls", certByNode},
		{"unsafe-no-fsync", "use kubernetes.ephemeral"},
		{"heartbeat-interval", "Skiff changes it while a member starts"}, {"election-timeout", "Skiff changes it while a member starts"},
	},
	"apiServer": {
		{"advertise-address", addressByNode}, {"bind-address", addressByNode}, {"secure-port", addressByNode},
		{"etcd-*", "Skiff connects the API server and its datastore"},
		{"service-cluster-ip-range", "use network.serviceCIDRs"}, {"feature-gates", useFeatureGates}, {"runtime-config", "use kubernetes.runtimeConfig"},
		{"default-not-ready-toleration-seconds", useEvictAfter}, {"default-unreachable-toleration-seconds", useEvictAfter},
		{"tls-cert-file", certByNode}, {"tls-private-key-file", certByNode}, {"client-ca-file", certByNode},
		{"kubelet-certificate-authority", certByNode}, {"kubelet-client-*", certByNode},
		{"proxy-client-*", certByNode}, {"requestheader-*", certByNode}, {"cert-dir", certByNode},
		{"service-account-key-file", certByNode}, {"service-account-signing-key-file", certByNode},
		{"kubelet-preferred-address-types", "nodes are found by their names, because their addresses may change"},
		{"allow-privileged", "upstream's conformance needs it"},
	},
	"controllerManager": {
		{"bind-address", addressByNode}, {"secure-port", addressByNode}, {"kubeconfig", certByNode}, {"master", addressByNode},
		{"authentication-kubeconfig", certByNode}, {"authorization-kubeconfig", certByNode},
		{"tls-cert-file", certByNode}, {"tls-private-key-file", certByNode}, {"client-ca-file", certByNode}, {"root-ca-file", certByNode},
		{"requestheader-*", certByNode}, {"cluster-signing-cert-file", certByNode}, {"cluster-signing-key-file", certByNode},
		{"service-account-private-key-file", certByNode}, {"use-service-account-credentials", certByNode},
		{"cluster-cidr", "use network.podCIDRs"}, {"service-cluster-ip-range", "use network.serviceCIDRs"},
		{"allocate-node-cidrs", "Skiff gives each node its part of network.podCIDRs"}, {"node-cidr-mask-size*", "each node has a /24 (IPv4) or a /64 (IPv6)"},
		{"cluster-name", "it is the cluster's name"}, {"feature-gates", useFeatureGates},
		{"node-monitor-grace-period", "use kubernetes.nodeFailure.notReadyAfter"}, {"leader-elect", "it follows the number of servers"},
	},
	"scheduler": {
		{"bind-address", addressByNode}, {"secure-port", addressByNode}, {"kubeconfig", certByNode}, {"master", addressByNode},
		{"authentication-kubeconfig", certByNode}, {"authorization-kubeconfig", certByNode},
		{"tls-cert-file", certByNode}, {"tls-private-key-file", certByNode}, {"client-ca-file", certByNode}, {"requestheader-*", certByNode},
		{"feature-gates", useFeatureGates}, {"leader-elect", "it follows the number of servers"},
	},
	"kubelet": {
		{"kubeconfig", certByNode}, {"bootstrap-kubeconfig", certByNode}, {"cert-dir", certByNode}, {"client-ca-file", certByNode},
		{"tls-cert-file", certByNode}, {"tls-private-key-file", certByNode},
		{"config", "Skiff configures the kubelet without a file"}, {"config-dir", "Skiff configures the kubelet without a file"},
		{"hostname-override", nameByNode}, {"node-ip", addressByNode}, {"root-dir", pathByNode}, {"pod-cidr", "use network.podCIDRs"},
		{"healthz-*", addressByNode}, {"container-runtime-endpoint", pathByNode}, {"image-service-endpoint", pathByNode},
		{"cgroup-driver", "nodes have no systemd"}, {"cluster-dns", "Skiff serves DNS in network.serviceCIDRs"}, {"cluster-domain", "it is cluster.local"},
		{"resolv-conf", pathByNode}, {"node-labels", "use labels of the node group"}, {"register-with-taints", "use taints of the node group"},
		{"register-node", "Skiff registers nodes"}, {"feature-gates", useFeatureGates},
	},
	"kubeProxy": {
		{"kubeconfig", certByNode}, {"master", addressByNode}, {"config", "Skiff configures kube-proxy without a file"},
		{"hostname-override", nameByNode}, {"proxy-mode", "Skiff's is nftables"}, {"cluster-cidr", "use network.podCIDRs"},
		{"healthz-*", addressByNode}, {"conntrack-*", "connection tracking is the host's"}, {"feature-gates", useFeatureGates},
	},
}

const (
	nameByNode      = "Skiff names nodes"
	pathByNode      = "Skiff decides where things are in a node"
	addressByNode   = "Skiff decides on which addresses its components listen and find each other"
	membersByNode   = "Skiff decides which members etcd has"
	certByNode      = "Skiff makes the cluster's certificates and identities"
	useFeatureGates = "use kubernetes.featureGates"
	useEvictAfter   = "use kubernetes.nodeFailure.evictAfter"
)

// flagName is a flag as components have it.
var flagName = regexp.MustCompile(`^[a-z0-9]+([-.][a-z0-9]+)*$`)

// refuseFlag returns why a component may not be given a flag, or "".
func refuseFlag(component, name string) string {
	if bare := strings.TrimLeft(name, "-"); bare != name && flagName.MatchString(bare) {
		return fmt.Sprintf("write the flag's name without dashes: %s", bare)
	}
	if !flagName.MatchString(name) {
		return fmt.Sprintf("%q is not the name of a flag", name)
	}
	for _, own := range ownFlags[component] {
		prefix, wildcard := strings.CutSuffix(own.name, "*")
		if name == own.name || wildcard && strings.HasPrefix(name, prefix) {
			return "Skiff sets this flag itself: " + own.reason
		}
	}
	return ""
}

// byComponent returns the arguments by the name of their field.
func (a *ExtraArgs) byComponent() map[string]*Values {
	return map[string]*Values{
		"etcd": &a.Etcd, "apiServer": &a.APIServer, "controllerManager": &a.ControllerManager, "scheduler": &a.Scheduler,
		"kubelet": &a.Kubelet, "kubeProxy": &a.KubeProxy,
	}
}
