package kubernetes

import (
	"errors"
	"net"
	"testing"
	"time"
)

// TestDNSMissing has questions that nobody answers: the same words say so each time.
func TestDNSMissing(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for server, why := range map[string]string{
		silent.LocalAddr().String(): "no answer", closed.LocalAddr().String(): "read: connection refused",
	} {
		for range 2 {
			want := "kubernetes.default. does not resolve at " + server + ": " + why
			if got := dnsMissing("kubernetes.default.", server, lookUp(t.Context(), "kubernetes.default.", server)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
	if got := dnsMissing("x.", "10.96.0.10:53", &net.DNSError{Err: "no such host", IsNotFound: true}); got != "x. does not resolve at 10.96.0.10:53: no such host" {
		t.Errorf("%q", got)
	}
	if got := dnsMissing("x.", "10.96.0.10:53", nil); got != "" {
		t.Errorf("%q", got)
	}
}

// TestDNSPause is in a hurry only while the node starts.
func TestDNSPause(t *testing.T) {
	failed := errors.New("no answer")
	for _, tc := range []struct {
		err      error
		answered bool
		d, want  time.Duration
	}{
		{failed, false, 0, dnsRetry},
		{failed, false, dnsPatience, dnsRetry},
		{failed, false, dnsPatience + 1, dnsRetryLater},
		{failed, true, 0, dnsRetryLater},
		{nil, true, 0, dnsRecheck},
	} {
		if got := dnsPause(tc.err, tc.answered, tc.d); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
