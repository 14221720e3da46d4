package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/util/keyutil"
)

var (
	now         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	serverNames = ServerNames{
		Node: "skiff-demo-server-1", Addresses: []netip.Addr{netip.MustParseAddr("172.30.0.2")},
		ServiceCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00:96::/112")},
		ClusterDomain: "demo.local", Extra: []string{"builder.example", "192.0.2.7", "localhost", "127.0.0.1", ""},
	}
	agentNames = NodeNames{Node: "skiff-demo-agent-1", Addresses: []netip.Addr{netip.MustParseAddr("172.30.0.3")}}

	asServer, asClient = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
)

func newCluster(t *testing.T) *Cluster {
	t.Helper()
	c, err := NewCluster(now, "demo")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serverFiles(t *testing.T, c *Cluster) Files {
	t.Helper()
	files, err := c.Server(serverNames)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(files Files) []string { return slices.Sorted(maps.Keys(files)) }

func TestFileNames(t *testing.T) {
	c := newCluster(t)
	wantServer := strings.Fields(`admin.crt admin.key apiserver-kubelet-client.crt apiserver-kubelet-client.key
		apiserver.crt apiserver.key ca.crt ca.key etcd-ca.crt etcd-ca.key etcd-peer.crt etcd-peer.key front-proxy-ca.crt front-proxy-client.crt front-proxy-client.key
		kube-controller-manager.crt kube-controller-manager.key kube-proxy.crt kube-proxy.key kube-scheduler.crt
		kube-scheduler.key kubelet-client.crt kubelet-client.key kubelet.crt kubelet.key sa.key sa.pub`)
	if got := names(serverFiles(t, c)); !slices.Equal(got, wantServer) {
		t.Errorf("a server has\n%q, want\n%q", got, wantServer)
	}
	agent, err := c.Agent(agentNames)
	if err != nil {
		t.Fatal(err)
	}
	wantAgent := strings.Fields(`ca.crt kube-proxy.crt kube-proxy.key kubelet-client.crt kubelet-client.key
		kubelet.crt kubelet.key`)
	if got := names(agent); !slices.Equal(got, wantAgent) {
		t.Errorf("an agent has\n%q, want\n%q", got, wantAgent)
	}
}

func TestCertificates(t *testing.T) {
	c := newCluster(t)
	server := serverFiles(t, c)
	agent, err := c.Agent(agentNames)
	if err != nil {
		t.Fatal(err)
	}
	loopback := []string{"localhost", "127.0.0.1", "::1"}
	for _, tc := range []struct {
		files    Files
		name, ca string
		cn, org  string
		usages   []x509.ExtKeyUsage
		hosts    []string
	}{
		{files: server, name: "apiserver", cn: "kube-apiserver", usages: []x509.ExtKeyUsage{asServer}, hosts: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.demo.local",
			"skiff-demo-server-1", "builder.example",
			"127.0.0.1", "::1", "10.96.0.1", "fd00:96::1", "172.30.0.2", "192.0.2.7",
		}},
		{files: server, name: "admin", cn: "kubernetes-admin", org: "system:masters", usages: []x509.ExtKeyUsage{asClient}},
		{files: server, name: "apiserver-kubelet-client", cn: "kube-apiserver-kubelet-client", org: "system:masters", usages: []x509.ExtKeyUsage{asClient}},
		{files: server, name: "front-proxy-client", ca: "front-proxy-ca.crt", cn: "front-proxy-client", usages: []x509.ExtKeyUsage{asClient}},
		{files: server, name: "kube-controller-manager", cn: "system:kube-controller-manager", usages: []x509.ExtKeyUsage{asClient, asServer}, hosts: loopback},
		{files: server, name: "kube-scheduler", cn: "system:kube-scheduler", usages: []x509.ExtKeyUsage{asClient, asServer}, hosts: loopback},
		{files: server, name: "kube-proxy", cn: "system:kube-proxy", usages: []x509.ExtKeyUsage{asClient}},
		{files: server, name: "kubelet-client", cn: "system:node:skiff-demo-server-1", org: "system:nodes", usages: []x509.ExtKeyUsage{asClient}},
		{files: server, name: "kubelet", cn: "system:node:skiff-demo-server-1", org: "system:nodes", usages: []x509.ExtKeyUsage{asServer}, hosts: []string{"skiff-demo-server-1", "172.30.0.2"}},
		{files: server, name: "etcd-peer", ca: EtcdCACert, cn: "skiff-demo-server-1", usages: []x509.ExtKeyUsage{asServer, asClient}, hosts: []string{"skiff-demo-server-1", "172.30.0.2"}},
		{files: agent, name: "kube-proxy", cn: "system:kube-proxy", usages: []x509.ExtKeyUsage{asClient}},
		{files: agent, name: "kubelet-client", cn: "system:node:skiff-demo-agent-1", org: "system:nodes", usages: []x509.ExtKeyUsage{asClient}},
		{files: agent, name: "kubelet", cn: "system:node:skiff-demo-agent-1", org: "system:nodes", usages: []x509.ExtKeyUsage{asServer}, hosts: []string{"skiff-demo-agent-1", "172.30.0.3"}},
	} {
		t.Run(tc.cn+"/"+tc.name, func(t *testing.T) {
			cert := parse(t, tc.files, tc.name)
			if got := cert.Subject.CommonName; got != tc.cn {
				t.Errorf("CN %q, want %q", got, tc.cn)
			}
			if got := strings.Join(cert.Subject.Organization, " "); got != tc.org {
				t.Errorf("O %q, want %q", got, tc.org)
			}
			if !slices.Equal(cert.ExtKeyUsage, tc.usages) {
				t.Errorf("usages %v, want %v", cert.ExtKeyUsage, tc.usages)
			}
			if got := hosts(cert); !slices.Equal(got, slices.Sorted(slices.Values(tc.hosts))) {
				t.Errorf("names %q, want %q", got, tc.hosts)
			}
			if cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature {
				t.Errorf("CA %t, key usage %b", cert.IsCA, cert.KeyUsage)
			}
			ca := tc.ca
			if ca == "" {
				ca = CACert
			}
			for _, usage := range tc.usages {
				for _, host := range append([]string{""}, tc.hosts...) {
					if _, err := cert.Verify(verifyOptions(server[ca], usage, host, now)); err != nil {
						t.Errorf("verify for usage %v as %q: %v", usage, host, err)
					}
				}
			}
			for _, other := range []string{CACert, EtcdCACert, "front-proxy-ca.crt"} {
				if _, err := cert.Verify(verifyOptions(server[other], x509.ExtKeyUsageAny, "", now)); err == nil && other != ca {
					t.Errorf("%s verifies it too", other)
				}
			}
		})
	}
}

// TestKeysOfAuthorities are where something is signed, and nowhere else.
func TestKeysOfAuthorities(t *testing.T) {
	c := newCluster(t)
	server := serverFiles(t, c)
	agent, err := c.Agent(agentNames)
	if err != nil {
		t.Fatal(err)
	}
	edge := c.Edge()
	if got := names(edge); !slices.Equal(got, []string{CACert}) || !bytes.Equal(edge[CACert], server[CACert]) {
		t.Errorf("an edge has %q", got)
	}
	secrets := map[string][]byte{}
	for _, name := range []string{CAKey, EtcdCAKey, "sa.key", AdminKey, "front-proxy-client.key", "etcd-peer.key"} {
		if len(server[name]) == 0 {
			t.Errorf("a server has no %s", name)
		}
		secrets[name] = server[name]
	}
	for _, files := range []Files{agent, edge} {
		for name, content := range files {
			for secret, key := range secrets {
				if name == secret || bytes.Contains(content, key) {
					t.Errorf("%s holds a server's %s", name, secret)
				}
			}
		}
	}
	// Nobody keeps the key of the front-proxy CA.
	if _, ok := server["front-proxy-ca.key"]; ok {
		t.Error("the front-proxy CA can still sign")
	}
	for _, name := range []string{CACert, EtcdCACert, "front-proxy-ca.crt"} {
		block, _ := pem.Decode(server[name])
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !cert.IsCA || !strings.HasPrefix(cert.Subject.CommonName, "skiff-demo") {
			t.Errorf("%s: %+v, %v", name, cert, err)
		}
	}
}

// TestPeers are known to each other, whichever server they were made out of.
func TestPeers(t *testing.T) {
	first := serverFiles(t, newCluster(t))
	later, err := LoadCluster(now, onlyFiles(first, ServerFiles()...))
	if err != nil {
		t.Fatal(err)
	}
	second, err := later.Server(ServerNames{Node: "skiff-demo-server-2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range []Files{first, second} {
		for _, other := range []Files{first, second} {
			if _, err := parse(t, files, "etcd-peer").Verify(verifyOptions(other[EtcdCACert], asClient, "", now)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := parse(t, second, "etcd-peer").Verify(verifyOptions(first[EtcdCACert], asServer, "skiff-demo-server-1", now)); err == nil {
		t.Error("a member can take another's place")
	}
}

func onlyFiles(files Files, names ...string) Files {
	some := Files{}
	for _, name := range names {
		some[name] = files[name]
	}
	return some
}

func TestDefaultClusterDomain(t *testing.T) {
	n := serverNames
	n.ClusterDomain = ""
	files, err := newCluster(t).Server(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := parse(t, files, "apiserver").VerifyHostname("kubernetes.default.svc.cluster.local"); err != nil {
		t.Error(err)
	}
}

func TestValidity(t *testing.T) {
	files := serverFiles(t, newCluster(t))
	cert := parse(t, files, "apiserver")
	for _, tc := range []struct {
		name string
		at   time.Time
		ok   bool
	}{
		{"an engine whose clock is behind", now.Add(-59 * time.Minute), true},
		{"long before", now.Add(-61 * time.Minute), false},
		{"almost ten years later", now.Add(validity - time.Minute), true},
		{"ten years later", now.Add(validity + time.Minute), false},
	} {
		_, err := cert.Verify(verifyOptions(files[CACert], asServer, "", tc.at))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// TestKeysAreReadable reads all keys with upstream's own functions, as the components do.
func TestKeysAreReadable(t *testing.T) {
	files := serverFiles(t, newCluster(t))
	for name, data := range files {
		if strings.HasSuffix(name, ".key") {
			if _, err := keyutil.ParsePrivateKeyPEM(data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	private, err := keyutil.ParsePrivateKeyPEM(files["sa.key"])
	if err != nil {
		t.Fatal(err)
	}
	public, err := keyutil.ParsePublicKeysPEM(files["sa.pub"])
	if err != nil {
		t.Fatal(err)
	}
	key, ok := private.(*ecdsa.PrivateKey)
	if !ok || len(public) != 1 || !key.PublicKey.Equal(public[0]) {
		t.Errorf("sa.pub (%d keys) is not that of sa.key, a %T", len(public), private)
	}
}

func TestLoadCluster(t *testing.T) {
	first := serverFiles(t, newCluster(t))
	later := now.Add(validity - 24*time.Hour)
	c, err := LoadCluster(later, first)
	if err != nil {
		t.Fatal(err)
	}
	second := serverFiles(t, c)
	for _, name := range ServerFiles() {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs between servers", name)
		}
	}
	cert := parse(t, second, "kubelet")
	if _, err := cert.Verify(verifyOptions(first[CACert], asServer, "skiff-demo-server-1", later)); err != nil {
		t.Error(err)
	}
	if ca := parse(t, first, "ca"); cert.NotAfter.After(ca.NotAfter) {
		t.Errorf("valid until %s, its CA only until %s", cert.NotAfter, ca.NotAfter)
	}

	onlyCA, err := LoadCluster(later, Files{CACert: first[CACert], CAKey: first[CAKey]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onlyCA.Agent(agentNames); err != nil {
		t.Error(err)
	}
	if _, err := onlyCA.Server(serverNames); err == nil || !strings.Contains(err.Error(), "front-proxy-ca.crt") {
		t.Errorf("a server without the shared files: %v", err)
	}
}

// TestLoadClusterWithoutEtcd makes agents of a cluster whose datastore has no authority, and no servers.
func TestLoadClusterWithoutEtcd(t *testing.T) {
	files := serverFiles(t, newCluster(t))
	for name, tc := range map[string]struct {
		remove []string
		load   string // the refusal to load, or
		server string // that of a server
	}{
		"neither file":       {[]string{EtcdCACert, EtcdCAKey}, "", "etcd-ca.key"},
		"no key":             {[]string{EtcdCAKey}, "", "etcd-ca.key"},
		"no certificate":     {[]string{EtcdCACert}, "etcd-ca.crt is missing", ""},
		"no service account": {[]string{"sa.key"}, "", "sa.key"},
	} {
		some := maps.Clone(files)
		for _, file := range tc.remove {
			delete(some, file)
		}
		c, err := LoadCluster(now, some)
		if tc.load != "" {
			if err == nil || !strings.Contains(err.Error(), tc.load) {
				t.Errorf("%s: %v, want %q", name, err, tc.load)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if agent, err := c.Agent(agentNames); err != nil || len(agent) != 7 {
			t.Errorf("%s: an agent has %q, %v", name, names(agent), err)
		}
		if _, err := c.Server(serverNames); err == nil || !strings.Contains(err.Error(), tc.server) {
			t.Errorf("%s: a server: %v, want %q", name, err, tc.server)
		}
	}
	mixed := maps.Clone(files)
	mixed[EtcdCAKey] = files[CAKey]
	if _, err := LoadCluster(now, mixed); err == nil || !strings.Contains(err.Error(), "etcd-ca.crt and etcd-ca.key") {
		t.Errorf("another's key: %v", err)
	}
}

func TestErrors(t *testing.T) {
	c := newCluster(t)
	files := serverFiles(t, c)
	load := func(cert, key []byte) func() error {
		return func() error {
			_, err := LoadCluster(now, Files{CACert: cert, CAKey: key})
			return err
		}
	}
	for _, tc := range []struct {
		name string
		call func() error
		want string
	}{
		{"no key", load(files[CACert], nil), "ca.key is missing"},
		{"no certificate", load(nil, files[CAKey]), "ca.crt is missing"},
		{"another's key", load(files[CACert], files["sa.key"]), "does not match"},
		{"not a CA", load(files["admin.crt"], files["admin.key"]), "cannot sign"},
		{"rubbish", load([]byte("x"), []byte("y")), "ca.crt and ca.key"},
		{"agent without a name", func() error { _, err := c.Agent(NodeNames{}); return err }, "no name"},
		{"server without a name", func() error { _, err := c.Server(ServerNames{}); return err }, "no name"},
	} {
		if err := tc.call(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

// parse returns a certificate whose key fits.
func parse(t *testing.T, files Files, name string) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(files[name+".crt"], files[name+".key"])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return pair.Leaf
}

func verifyOptions(ca []byte, usage x509.ExtKeyUsage, host string, at time.Time) x509.VerifyOptions {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}, DNSName: host, CurrentTime: at}
}

// hosts returns all names of a certificate, sorted.
func hosts(cert *x509.Certificate) []string {
	list := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		list = append(list, ip.String())
	}
	slices.Sort(list)
	return list
}
