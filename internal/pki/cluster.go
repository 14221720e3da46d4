package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"time"
)

// Cluster makes the certificates of a cluster's nodes.
type Cluster struct {
	now time.Time
	ca  *authority
	// etcd signs the members of the datastore to each other, and nothing else: a certificate of the cluster's own CA,
	// which every node has, opens no datastore.
	etcd *authority
	// shared are the files that are the same on every server.
	shared Files
}

// sharedFiles are what every server has besides the cluster's CA and the datastore's. The key of the front-proxy CA is
// none of them: it is forgotten once it has signed the only certificate it is for.
var sharedFiles = []string{"front-proxy-ca.crt", "front-proxy-client.crt", "front-proxy-client.key", "sa.key", "sa.pub"}

// NewCluster makes a new cluster's CA, the datastore's, the front-proxy CA and the service-account key.
func NewCluster(now time.Time, cluster string) (*Cluster, error) {
	ca, err := newAuthority(now, "skiff-"+cluster)
	if err != nil {
		return nil, err
	}
	etcd, err := newAuthority(now, "skiff-"+cluster+"-etcd")
	if err != nil {
		return nil, err
	}
	c := &Cluster{now: now, ca: ca, etcd: etcd, shared: Files{}}
	if err := c.addFrontProxy(cluster); err != nil {
		return nil, err
	}
	if err := c.addServiceAccountKey(); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadCluster makes certificates for further nodes of an existing cluster, out of the files of one of its
// servers. [CACert] and [CAKey] are enough for agents, [ServerFiles] are what further servers take.
func LoadCluster(now time.Time, files Files) (*Cluster, error) {
	ca, err := loadAuthority(files, CACert, CAKey)
	if err != nil {
		return nil, err
	}
	c := &Cluster{now: now, ca: ca, shared: Files{}}
	if len(files[EtcdCAKey]) > 0 {
		if c.etcd, err = loadAuthority(files, EtcdCACert, EtcdCAKey); err != nil {
			return nil, err
		}
	}
	for _, name := range sharedFiles {
		if data, ok := files[name]; ok {
			c.shared[name] = data
		}
	}
	return c, nil
}

// ServerFiles are the files of a server out of which [LoadCluster] makes those of further servers.
func ServerFiles() []string {
	return append([]string{CACert, CAKey, EtcdCACert, EtcdCAKey}, sharedFiles...)
}

// loadAuthority reads the certificate and the key of an authority.
func loadAuthority(files Files, certName, keyName string) (*authority, error) {
	for _, name := range []string{certName, keyName} {
		if len(files[name]) == 0 {
			return nil, fmt.Errorf("the cluster's %s is missing", name)
		}
	}
	pair, err := tls.X509KeyPair(files[certName], files[keyName])
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certName, keyName, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("%s cannot sign: it is not the certificate of an authority", certName)
	}
	return &authority{cert: pair.Leaf, key: key}, nil
}

// addFrontProxy makes the CA that tells the API server's own connections to extension API servers from all
// others, and the certificate for them.
func (c *Cluster) addFrontProxy(cluster string) error {
	ca, err := newAuthority(c.now, "skiff-"+cluster+"-front-proxy")
	if err != nil {
		return err
	}
	c.shared["front-proxy-ca.crt"] = encodeCert(ca.cert.Raw)
	return ca.issue(c.now, c.shared, "front-proxy-client", client("front-proxy-client"))
}

// addServiceAccountKey makes the key that signs service-account tokens, and the one that verifies them.
func (c *Cluster) addServiceAccountKey() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the service-account key: %w", err)
	}
	c.shared["sa.pub"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	c.shared["sa.key"], err = encodeKey(key)
	return err
}

// Server makes all files of a server node.
func (c *Cluster) Server(n ServerNames) (Files, error) {
	files := maps.Clone(c.shared)
	for _, name := range sharedFiles {
		if len(files[name]) == 0 {
			return nil, fmt.Errorf("a server needs the cluster's %s", name)
		}
	}
	if c.etcd == nil {
		return nil, fmt.Errorf("a server needs the cluster's %s", EtcdCAKey)
	}
	var err error
	if files[CAKey], err = encodeKey(c.ca.key); err != nil {
		return nil, err
	}
	files[EtcdCACert] = encodeCert(c.etcd.cert.Raw)
	if files[EtcdCAKey], err = encodeKey(c.etcd.key); err != nil {
		return nil, err
	}
	if err := c.etcd.issue(c.now, files, "etcd-peer", etcdPeer(n)); err != nil {
		return nil, err
	}
	return files, c.issue(files, serverCertificates(n), NodeNames{Node: n.Node, Addresses: n.Addresses})
}

// Agent makes all files of an agent node.
func (c *Cluster) Agent(n NodeNames) (Files, error) {
	files := Files{}
	return files, c.issue(files, nil, n)
}

// Edge makes the only file of an edge, which knows servers by it and is known to nobody.
func (c *Cluster) Edge() Files { return Files{CACert: encodeCert(c.ca.cert.Raw)} }

// issue adds the CA's certificate, those of every node, and more.
func (c *Cluster) issue(files Files, more map[string]*x509.Certificate, n NodeNames) error {
	if n.Node == "" {
		return errors.New("the node has no name")
	}
	files[CACert] = encodeCert(c.ca.cert.Raw)
	certificates := nodeCertificates(n)
	maps.Copy(certificates, more)
	for name, template := range certificates {
		if err := c.ca.issue(c.now, files, name, template); err != nil {
			return err
		}
	}
	return nil
}

// client is a certificate to show to a server. The API server takes the user's name and groups from it.
func client(user string, groups ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}
