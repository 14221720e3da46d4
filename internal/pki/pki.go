// Package pki makes the keys and certificates of a cluster: all of them at creation, by the command line, so
// that no component spends time on making its own. The files have the names that kubeadm gives them, and lie
// in [nodeapi.PKIDir] on a node's volume, readable by root only.
//
// All keys are ECDSA P-256: an RSA key takes a thousand times longer to make, and its signatures were a tenth of
// the CPU time of a start. Everything is valid for ten years. A cluster on a laptop has nobody who would
// renew its certificates, and is protected by being reachable from its host only.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"
)

const (
	// validity is how long everything is valid.
	validity = 10 * 365 * 24 * time.Hour
	// skew is how far the clock of the container engine may be behind the one of the command line: on macOS and
	// Windows the engine lives in a virtual machine, whose clock stands still while the laptop sleeps.
	skew = time.Hour
)

// Files are PEM files by name.
type Files map[string][]byte

// Names of the files that the command line itself needs.
const (
	CACert    = "ca.crt"
	CAKey     = "ca.key"
	AdminCert = "admin.crt"
	AdminKey  = "admin.key"
	// EtcdCACert and EtcdCAKey are the datastore's own authority, on servers only.
	EtcdCACert = "etcd-ca.crt"
	EtcdCAKey  = "etcd-ca.key"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a key and its self-signed certificate.
func newAuthority(now time.Time, name string) (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	return &authority{cert: cert, key: key}, nil
}

// issue makes a key, signs a certificate for it, and puts both into files as name.crt and name.key.
func (a *authority) issue(now time.Time, files Files, name string, template *x509.Certificate) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	template.NotBefore = now.Add(-skew)
	template.NotAfter = now.Add(validity)
	if template.NotAfter.After(a.cert.NotAfter) { // for a node that is added years later
		template.NotAfter = a.cert.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	files[name+".crt"] = encodeCert(der)
	files[name+".key"], err = encodeKey(key)
	return err
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// encodeKey returns PKCS #8, which every component reads.
func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
