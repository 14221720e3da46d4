package forward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// gate is a listener whose connections can be made to misbehave in the ways of a dying server.
type gate struct {
	net.Listener
	mu       sync.Mutex
	conns    map[*gated]struct{}
	frozen   chan struct{} // closed by thaw; nil unless frozen
	accepted int
}

// gated is a connection through a gate.
type gated struct {
	*net.TCPConn
	gate *gate
}

// listen opens a gate at an address of this machine.
func listen(t testing.TB, address string) *gate {
	t.Helper()
	var config net.ListenConfig
	config.SetMultipathTCP(false) // to which no filter can be attached
	l, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l, conns: map[*gated]struct{}{}}
	t.Cleanup(func() { g.thaw(); g.kill() })
	return g
}

func (g *gate) address() string { return g.Addr().String() }

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g.pass()
	c := &gated{conn.(*net.TCPConn), g}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accepted++
	g.conns[c] = struct{}{}
	return c, nil
}

// Read and Write stand still while the gate is frozen.
func (c *gated) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.gate.pass()
	return n, err
}

func (c *gated) Write(p []byte) (int, error) {
	c.gate.pass()
	return c.TCPConn.Write(p)
}

func (c *gated) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.TCPConn.Close()
}

func (g *gate) pass() {
	g.mu.Lock()
	frozen := g.frozen
	g.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// freeze is what SIGSTOP and `docker pause` do: the kernel goes on accepting and acknowledging, nobody answers.
func (g *gate) freeze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.frozen = make(chan struct{})
}

func (g *gate) thaw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.frozen != nil {
		close(g.frozen)
		g.frozen = nil
	}
}

// cut makes all packets for the server vanish, or none any more: a filter in the kernel drops them before TCP sees them.
func (g *gate) cut(t testing.TB, cut bool) {
	t.Helper()
	filter := func(fd uintptr) {
		var err error
		if cut {
			drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
			err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
		} else {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		}
		if err != nil && (cut || !errors.Is(err, unix.ENOENT)) { // it has none if it was being accepted meanwhile
			t.Error(err)
		}
	}
	control := func(c syscall.Conn) {
		raw, err := c.SyscallConn()
		if err == nil {
			err = raw.Control(filter)
		}
		if err != nil {
			t.Error(err)
		}
	}
	control(g.Listener.(*net.TCPListener))
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		control(c.TCPConn)
	}
}

// kill is the end of a process: nobody listens, connections are reset.
func (g *gate) kill() {
	_ = g.Listener.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		reset(c.TCPConn)
	}
}

// server is something like an API server behind a gate.
type server struct {
	*gate
	name     string
	http     *http.Server
	notReady atomic.Bool
	requests atomic.Int64
}

// certificate is what all servers have, for the name example.com, with the pool that holds its issuer.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
})

// startServer starts a server, with HTTP/2, that answers /readyz, and everything else with its name.
func startServer(t testing.TB, name, address string) *server {
	t.Helper()
	s := &server{gate: listen(t, address), name: name}
	cert, _ := certificate()
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.notReady.Load() {
			http.Error(w, "[-]etcd failed", http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.requests.Add(1)
		_, _ = io.WriteString(w, name)
	})
	s.http = &http.Server{
		Handler:   mux,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.http.ServeTLS(s.gate, "", "") })
	t.Cleanup(func() {
		s.thaw()
		_ = s.http.Close()
		serving.Wait()
	})
	return s
}

// stop ends it as a server ends that was asked to.
func (s *server) stop(ctx context.Context) { _ = s.http.Shutdown(ctx) }
