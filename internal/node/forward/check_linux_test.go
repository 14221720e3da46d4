package forward

import (
	"context"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"
)

// TestHTTPS follows one check through what may happen to its server.
func TestHTTPS(t *testing.T) {
	s := startServer(t, "a", "127.0.0.1:0")
	_, roots := certificate()
	dials := 0
	dial := func(ctx context.Context) (*net.TCPConn, error) {
		dials++
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address())
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}
	check := HTTPS("/readyz", "example.com", roots)(dial)
	defer check.Close()
	// failure checks, and wants an error that contains text.
	failure := func(text string, patience time.Duration) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := check.Check(ctx)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Fatalf("%v, want %q", err, text)
		}
		return err
	}
	const patient, impatient = time.Minute, 100 * time.Millisecond
	healthy := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		defer cancel()
		if err := check.Check(ctx); err != nil {
			t.Fatal(err)
		}
	}
	expectDials := func(n int) {
		t.Helper()
		if dials != n {
			t.Fatalf("%d dials, want %d", dials, n)
		}
	}

	for range 10 {
		healthy()
	}
	s.notReady.Store(true)
	if err := failure("/readyz answers 500 Internal Server Error", patient); isSilent(err) {
		t.Error("counts as silent")
	}
	s.notReady.Store(false)
	healthy()
	expectDials(1)

	s.mu.Lock()
	for c := range s.conns {
		_ = c.TCPConn.Close() // as a server does after a while
	}
	s.mu.Unlock()
	healthy()
	expectDials(2)

	s.freeze()
	if err := failure("i/o timeout", impatient); !isSilent(err) {
		t.Error("no answer does not count as silent")
	}
	expectDials(2)
	if err := failure("TLS handshake", impatient); !isSilent(err) {
		t.Error("no handshake does not count as silent")
	}
	expectDials(3)
	s.thaw()
	healthy()

	ctx, cancel := context.WithCancel(t.Context())
	s.freeze()
	time.AfterFunc(10*time.Millisecond, cancel)
	if check.Check(ctx) == nil {
		t.Error("is healthy because nobody wants to know")
	}
	s.thaw()
	s.kill()
	if err := failure("connection refused", patient); isSilent(err) {
		t.Error("a refusal counts as silent")
	}
}

func TestHTTPSTrust(t *testing.T) {
	s := startServer(t, "a", "127.0.0.1:0")
	_, roots := certificate()
	for _, tc := range []struct {
		name  string
		roots *x509.CertPool
		want  string
	}{
		{"example.com", roots, ""},
		{"kubernetes", roots, "not kubernetes"},
		{"example.com", x509.NewCertPool(), "unknown authority"},
	} {
		f := serve(t, Config{Check: HTTPS("/readyz", tc.name, tc.roots)}, Target{"a", s.address()})
		state := StateHealthy
		if tc.want != "" {
			state = StateDown
		}
		f.await(t, "a", state)
		if got := f.Health()[0].LastError; !strings.Contains(got, tc.want) {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
