package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

const (
	// dnsRetry is the pause between two questions while the node starts: nothing else tells that the way from the
	// Service's address to CoreDNS is open. Whoever creates a cluster waits for it.
	dnsRetry = 20 * time.Millisecond
	// dnsRetryLater is the pause when there was an answer once, or none for dnsPatience.
	dnsRetryLater = time.Second
	dnsPatience   = 30 * time.Second
	// dnsRecheck is the pause after an answer.
	dnsRecheck = 30 * time.Second
	// dnsTimeout is how long an answer may take.
	dnsTimeout = 500 * time.Millisecond
)

// followDNS asks cluster DNS for the API server through the address of the kube-dns Service.
func (c *contract) followDNS(ctx context.Context) {
	if !c.wait(ctx, c.dns, nodeapi.ConditionDNS) {
		return
	}
	server := net.JoinHostPort(c.node.DNSServiceIPs[0].String(), "53")
	name := "kubernetes.default.svc." + c.node.ClusterDomain + "."
	answered := false
	for began := time.Now(); ctx.Err() == nil; {
		err := lookUp(ctx, name, server)
		answered = answered || err == nil
		c.set(nodeapi.ConditionDNS, dnsMissing(name, server, err))
		select {
		case <-time.After(dnsPause(err, answered, time.Since(began))):
		case <-ctx.Done():
		}
	}
}

// lookUp asks a server for the addresses of a name.
func lookUp(ctx context.Context, name, server string) error {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	_, err := resolver.LookupHost(ctx, name)
	return err
}

// dnsPause is how long to wait until the next question: err is what became of the last one, answered says if there ever
// was an answer, and d is the time since the first question.
func dnsPause(err error, answered bool, d time.Duration) time.Duration {
	switch {
	case err == nil:
		return dnsRecheck
	case answered, d > dnsPatience:
		return dnsRetryLater
	}
	return dnsRetry
}

// dnsMissing says why a name does not resolve, "" if it does. The same failure is said in the same words each time, or
// every question would be news: the error of a connection names the port that was asked from.
func dnsMissing(name, server string, err error) string {
	if err == nil {
		return ""
	}
	why := err.Error()
	if failed := (*net.DNSError)(nil); errors.As(err, &failed) {
		why = failed.Err
		if _, after, found := strings.Cut(why, server+": "); found {
			why = after
		}
		if failed.IsTimeout {
			why = "no answer"
		}
	}
	return fmt.Sprintf("%s does not resolve at %s: %s", name, server, why)
}
