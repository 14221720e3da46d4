package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/fault"
)

const (
	// readyzPause is the pause between two questions: nothing tells when a port of the host leads to the API.
	readyzPause = 20 * time.Millisecond
	// readyzTimeout is how long one answer may take.
	readyzTimeout = 5 * time.Second
)

// checkAPI is the clause of the contract that a node cannot check: the API answers the administrator on the
// address that will be in the kubeconfig.
func (r *readiness) checkAPI(ctx context.Context, creds *Credentials) error {
	waiting, cancel := context.WithDeadline(ctx, r.deadline())
	defer cancel()
	client, err := creds.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	var why error
	for {
		err := askReadyz(waiting, client, creds.Server)
		if err == nil {
			return nil
		}
		if why == nil || waiting.Err() == nil { // that time was up in the middle of a question is no reason
			why = err
		}
		select {
		case <-time.After(readyzPause):
			continue
		case <-waiting.Done():
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &fault.Error{Code: fault.NotReady, Cause: why, Hint: r.hint,
			Summary: fmt.Sprintf("cluster %s is not ready after %s: the API does not answer on %s", r.cluster, r.wait, creds.Server)}
	}
}

// client returns an HTTP client that is the administrator.
func (c *Credentials) client() (*http.Client, error) {
	pair, err := tls.X509KeyPair(c.ClientCert, c.ClientKey)
	if err != nil {
		return nil, fmt.Errorf("the administrator's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.CA) {
		return nil, errors.New("the cluster's CA is no certificate")
	}
	return &http.Client{Timeout: readyzTimeout, Transport: &http.Transport{
		Proxy:           http.ProxyFromEnvironment, // as kubectl does
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}}, nil
}

// askReadyz asks the API server once whether it is ready.
func askReadyz(ctx context.Context, client *http.Client, server string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	if err != nil {
		return err
	}
	var failed []string
	for line := range strings.Lines(string(body)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			failed = append(failed, name)
		}
	}
	return notReadyAnswer{strings.TrimSpace("/readyz says " + resp.Status + " " + strings.Join(failed, ", "))}
}

// notReadyAnswer is an API server's own word that it is not ready, as opposed to none.
type notReadyAnswer struct{ text string }

func (a notReadyAnswer) Error() string { return a.text }
