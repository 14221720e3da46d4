package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/netip"
	"slices"
)

// NodeNames are what a node's kubelet is called.
type NodeNames struct {
	// Node is the node's name in Kubernetes, and its host name.
	Node string
	// Addresses are the node's own, on the cluster's network.
	Addresses []netip.Addr
}

// ServerNames are what a server node and its API server are called.
type ServerNames struct {
	Node      string
	Addresses []netip.Addr
	// ServiceCIDRs are the ranges of Services' addresses. The first address of each is the API server's own:
	// the Service "kubernetes".
	ServiceCIDRs []netip.Prefix
	// ClusterDomain is the DNS domain of Services, "cluster.local" if empty.
	ClusterDomain string
	// Extra are further names and addresses under which the API is reached: those of a remote engine's host.
	Extra []string
}

// masters is the group that may do everything, whatever RBAC says.
const masters = "system:masters"

// nodeCertificates are those of every node, by file name.
func nodeCertificates(n NodeNames) map[string]*x509.Certificate {
	kubelet := server(n.Node)
	kubelet.Subject.Organization = []string{"system:nodes"}
	kubelet.Subject.CommonName = "system:node:" + n.Node
	addNames(kubelet, append([]string{n.Node}, texts(n.Addresses)...)...)
	return map[string]*x509.Certificate{
		"kubelet":        kubelet,
		"kubelet-client": client("system:node:"+n.Node, "system:nodes"),
		"kube-proxy":     client("system:kube-proxy"),
	}
}

// serverCertificates are what a server has more.
func serverCertificates(n ServerNames) map[string]*x509.Certificate {
	return map[string]*x509.Certificate{
		"apiserver":                apiServer(n),
		"apiserver-kubelet-client": client("kube-apiserver-kubelet-client", masters),
		"admin":                    client("kubernetes-admin", masters),
		"kube-controller-manager":  loopbackServerAndClient("system:kube-controller-manager"),
		"kube-scheduler":           loopbackServerAndClient("system:kube-scheduler"),
	}
}

// etcdPeer is how a member of the datastore shows itself to the others, as server and as client.
func etcdPeer(n ServerNames) *x509.Certificate {
	cert := server(n.Node)
	cert.ExtKeyUsage = append(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	addNames(cert, n.Node)
	addNames(cert, texts(n.Addresses)...)
	return cert
}

func apiServer(n ServerNames) *x509.Certificate {
	domain := n.ClusterDomain
	if domain == "" {
		domain = "cluster.local"
	}
	cert := server("kube-apiserver")
	addNames(cert, loopback...)
	addNames(cert, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc."+domain)
	for _, cidr := range n.ServiceCIDRs {
		addNames(cert, cidr.Masked().Addr().Next().String())
	}
	addNames(cert, n.Node)
	addNames(cert, texts(n.Addresses)...)
	addNames(cert, n.Extra...)
	return cert
}

// loopback are the names under which a process is reached from its own node only.
var loopback = []string{"localhost", "127.0.0.1", "::1"}

// loopbackServerAndClient is for a component that is the API server's client, and serves its own metrics and
// health on the loopback.
func loopbackServerAndClient(user string) *x509.Certificate {
	cert := client(user)
	cert.ExtKeyUsage = append(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	addNames(cert, loopback...)
	return cert
}

// server is a certificate to serve with; addNames says under which names.
func server(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// addNames adds DNS names and addresses, each once.
func addNames(cert *x509.Certificate, names ...string) {
	for _, name := range names {
		address, err := netip.ParseAddr(name)
		if err != nil {
			if name != "" && !slices.Contains(cert.DNSNames, name) {
				cert.DNSNames = append(cert.DNSNames, name)
			}
			continue
		}
		ip := net.IP(address.Unmap().AsSlice())
		if !slices.ContainsFunc(cert.IPAddresses, ip.Equal) {
			cert.IPAddresses = append(cert.IPAddresses, ip)
		}
	}
}

func texts(addresses []netip.Addr) []string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.String()
	}
	return list
}
