package dockertest

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// TestConnections lets containers talk with those of their own network only, and only while both run.
func TestConnections(t *testing.T) {
	e := New()
	e.AddImage(cluster.Image{Tags: []string{"i:1"}})
	processes := make(chan *Process, 1)
	e.OnStart(func(p *Process) int {
		processes <- p
		<-p.Stopping()
		return 0
	})
	run := func(name, network, address string) *Process {
		t.Helper()
		if _, err := e.CreateContainer(t.Context(), cluster.ContainerSpec{Name: name, Image: "i:1", Network: network, Address: netip.MustParseAddr(address)}); err != nil {
			t.Fatal(err)
		}
		if err := e.StartContainer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		return <-processes
	}
	for _, name := range []string{"net", "other"} {
		if err := e.CreateNetwork(t.Context(), cluster.NetworkSpec{Name: name, Subnet: netip.MustParsePrefix(map[string]string{"net": "10.0.0.0/24", "other": "10.0.1.0/24"}[name])}); err != nil {
			t.Fatal(err)
		}
	}
	server, client, stranger := run("server", "net", "10.0.0.2"), run("client", "net", "10.0.0.3"), run("stranger", "other", "10.0.1.2")
	l := server.Listen(80)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "hello")
		_ = conn.Close()
	}()
	at := netip.MustParseAddrPort("10.0.0.2:80")
	conn, err := client.Dial(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(conn); err != nil || !bytes.Equal(said, []byte("hello")) {
		t.Errorf("%q, %v", said, err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		what string
		dial func() error
	}{
		{"another network", func() error { _, err := stranger.Dial(t.Context(), at); return err }},
		{"another port", func() error {
			_, err := client.Dial(t.Context(), netip.MustParseAddrPort("10.0.0.2:81"))
			return err
		}},
		{"nobody accepts", func() error { _, err := client.Dial(canceled, at); return err }},
		{"it has ended", func() error { e.Kill("server", 1); _, err := client.Dial(t.Context(), at); return err }},
	} {
		if tc.dial() == nil {
			t.Errorf("%s: connected", tc.what)
		}
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a container that has ended accepts")
	}
}
