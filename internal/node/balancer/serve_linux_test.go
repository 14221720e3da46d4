package balancer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// apiServer is an API server on an address of the loopback: all of 127.0.0.0/8 is this host.
type apiServer struct {
	address string
	ready   atomic.Bool
	server  *http.Server
}

// startAPI starts the n-th API server of this process.
func startAPI(t *testing.T, authority *pki.Cluster, n int) *apiServer {
	t.Helper()
	pid := os.Getpid()
	address := netip.AddrFrom4([4]byte{127, byte(1 + pid>>8&0x7f), byte(pid), byte(n)})
	files, err := authority.Server(pki.ServerNames{Node: fmt.Sprintf("server-%d", n), Addresses: []netip.Addr{address}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(files["apiserver.crt"], files["apiserver.key"])
	if err != nil {
		t.Fatal(err)
	}
	a := &apiServer{address: address.String()}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !a.ready.Load() {
			http.Error(w, "[-]etcd failed", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, a.address) })
	listener, err := net.Listen("tcp", netip.AddrPortFrom(address, nodeapi.APIServerPort).String())
	if err != nil {
		t.Fatal(err)
	}
	a.server = &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = a.server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = a.server.Close() })
	return a
}

// TestComponent lets clients wait until a server is ready, and serves them as long as one is.
func TestComponent(t *testing.T) {
	authority, err := pki.NewCluster(time.Now(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	ca := authority.Edge()[pki.CACert]
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	first, second := startAPI(t, authority, 1), startAPI(t, authority, 2)
	stranger, err := pki.NewCluster(time.Now(), "other")
	if err != nil {
		t.Fatal(err)
	}
	impostor := startAPI(t, stranger, 3)
	impostor.ready.Store(true)
	dns := &names{known: map[string]string{nodeapi.ServersAlias: strings.Join([]string{first.address, second.address, impostor.address}, " ")}}
	listen := freeAddress(t)
	c := Component(Config{Name: "edge", Listen: listen, CAFile: caFile, Log: io.Discard, Lookup: dns.lookup})
	ctx, cancel := context.WithCancel(t.Context())
	manager, err := supervise.NewManager([]supervise.Component{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	// Nobody is ready: the message says who is not, and why, and clients are not refused.
	soon, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	err = c.Ready(soon)
	if err == nil || !strings.Contains(err.Error(), first.address+" is down (GET /readyz: ") && !strings.Contains(err.Error(), first.address+" is down (/readyz answers 500") ||
		!strings.Contains(err.Error(), impostor.address+" is down (") {
		t.Errorf("nobody is ready, and Ready says %v", err)
	}
	answer := make(chan string, 1)
	go func() { answer <- who(ca, listen) }()
	first.ready.Store(true)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != first.address {
		t.Errorf("the client that waited got %q, want %q", got, first.address)
	}
	if err := c.Healthy(ctx); err != nil {
		t.Error(err)
	}
	// The other one takes over.
	second.ready.Store(true)
	_ = first.server.Close()
	await(t, func() bool { return who(ca, listen) == second.address })
	_ = second.server.Close()
	await(t, func() bool { return c.Healthy(ctx) != nil })
	if err := c.Healthy(ctx); err == nil || !strings.HasPrefix(err.Error(), "no API server is ready: ") {
		t.Errorf("nobody is there, and Healthy says %v", err)
	}
}

// await waits for something that comes without an event.
func await(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !what(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in a minute")
		}
	}
}

// who asks which server answers, "" for none.
func who(ca []byte, at netip.AddrPort) string {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "kubernetes"}}}
	resp, err := client.Get("https://" + at.String() + "/who")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}
