//go:build e2e

package e2e

import (
	"archive/tar"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Registry is an image registry in the test's own process, at an address of the host that nodes reach. It serves one
// image, read-only, as the OCI distribution specification says.
type Registry struct {
	Address string // HOST:PORT
	Digest  string // of the image's manifest

	repository, tag string
	blobs           map[string][]byte // by digest

	mu       sync.Mutex
	requests []string
}

// NewRegistry starts a registry with the testbox image under a name and tag. With cert it speaks TLS.
func (s *Scenario) NewRegistry(repository, tag string, cert *tls.Certificate) *Registry {
	s.Helper()
	r := &Registry{repository: repository, tag: tag, blobs: map[string][]byte{}}
	file := filepath.Join(s.TempDir(), "image.tar")
	s.Must(WriteImage(file, repository+":"+tag, "VERSION=pulled"), "write an image")
	s.Must(r.read(file), "read the image")
	listener, err := net.Listen("tcp", net.JoinHostPort(s.hostAddress(), "0"))
	s.Must(err, "listen")
	r.Address = listener.Addr().String()
	server := &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)} // handshakes that are refused are part of it
	if cert != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}}
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go func() { _ = server.Serve(listener) }()
	s.Cleanup(func() { _ = server.Close() })
	return r
}

// read takes the blobs out of an archive, which is an OCI layout.
func (r *Registry) read(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	archive := tar.NewReader(f)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return want(r.Digest != "", "the archive has no index")
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(header.Name, "blobs/"):
			sum := sha256.Sum256(data)
			r.blobs["sha256:"+hex.EncodeToString(sum[:])] = data
		case header.Name == "index.json":
			var index struct{ Manifests []struct{ Digest string } }
			if err := json.Unmarshal(data, &index); err != nil {
				return err
			}
			r.Digest = index.Manifests[0].Digest
		}
	}
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.String())
	r.mu.Unlock()
	if req.URL.Path == "/v2/" {
		return
	}
	rest, ours := strings.CutPrefix(req.URL.Path, "/v2/"+r.repository+"/")
	kind, reference, _ := strings.Cut(rest, "/")
	digest, mediaType := reference, "application/octet-stream"
	if kind == "manifests" {
		mediaType = "application/vnd.oci.image.manifest.v1+json"
		if reference == r.tag {
			digest = r.Digest
		}
	}
	data, found := r.blobs[digest]
	if !ours || !found {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"there is no such thing here"}]}`)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	if req.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}

// Requests are what the registry was asked for.
func (r *Registry) Requests() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.requests, "\n")
}

// hostAddress is an IPv4 address of the host that containers on any of Docker's networks reach.
func (s *Scenario) hostAddress() string {
	s.Helper()
	var addresses []net.Addr
	if bridge, err := net.InterfaceByName("docker0"); err == nil { // others come and go
		addresses, _ = bridge.Addrs()
	}
	all, err := net.InterfaceAddrs()
	s.Must(err, "look for the host's addresses")
	for _, a := range append(addresses, all...) {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil && ip.IsGlobalUnicast() {
			return ip.String()
		}
	}
	s.Fatal("the host has no address")
	return ""
}

// NewAuthority makes a certificate for an address, and the authority that signs it, as PEM.
func (s *Scenario) NewAuthority(address string) (cert *tls.Certificate, authority []byte) {
	s.Helper()
	signed := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		s.Must(err, "make a key")
		if signer == nil {
			parent, signer = template, key
		}
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		s.Must(err, "make a certificate")
		return key, der
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority of the scenario"},
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	caKey, caDER := signed(ca, nil, nil)
	leafKey, leafDER := signed(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a registry"}, IPAddresses: []net.IP{net.ParseIP(address)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey)
	return &tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
}
