package component

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/skiff-cluster/skiff/internal/node/supervise"
)

// TestEtcd starts the datastore twice over the same directory, once after it was stopped.
func TestEtcd(t *testing.T) {
	dir := t.TempDir()
	cfg := EtcdConfig{Name: "n", Dir: filepath.Join(dir, "data"), Socket: filepath.Join(dir, "s")}
	run := func(work func(*clientv3.Client)) {
		t.Helper()
		server, err := StartEtcd(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if info, err := os.Stat(cfg.Socket); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v", info, err)
		}
		// If this release of etcd keeps its ticker elsewhere, the fast tick would stay, for ever.
		if !slowTicks(server, slowTickMs*time.Millisecond) {
			t.Error("the interval of etcd's ticks cannot be set")
		}
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + cfg.Socket}, DialTimeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		work(client)
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	run(func(c *clientv3.Client) {
		if _, err := c.Put(t.Context(), "k", "v"); err != nil {
			t.Error(err)
		}
	})
	run(func(c *clientv3.Client) {
		if resp, err := c.Get(t.Context(), "k"); err != nil || len(resp.Kvs) != 1 || string(resp.Kvs[0].Value) != "v" {
			t.Errorf("after a restart: %v, %v", resp, err)
		}
	})
}

// TestEtcdComponent sees the component become ready and end when it is asked to.
func TestEtcdComponent(t *testing.T) {
	dir := t.TempDir()
	c := Etcd(EtcdConfig{Name: "n", Dir: filepath.Join(dir, "data"), Socket: filepath.Join(dir, "s")}, nil)
	manager, err := supervise.NewManager([]supervise.Component{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- manager.Run(ctx) }()
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Flags that the user gives change what they name, and nothing else.
func TestEtcdArguments(t *testing.T) {
	cfg := EtcdConfig{Name: "a", Members: []string{"a", "b", "c"}, PKIDir: "/pki", NoSync: true}
	plain, err := cfg.embedded(nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ExtraArgs = map[string]string{"quota-backend-bytes": "4294967296", "heartbeat-interval": "70"}
	c, err := cfg.embedded(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.QuotaBackendBytes != 4294967296 || c.TickMs != 70 {
		t.Errorf("quota %d, tick %d ms", c.QuotaBackendBytes, c.TickMs)
	}
	if got, want := c.PeerTLSInfo.String(), plain.PeerTLSInfo.String(); got != want || !c.PeerTLSInfo.ClientCertAuth || !c.PeerTLSInfo.SkipClientSANVerify {
		t.Errorf("TLS between members: %s, want %s", got, want)
	}
	if !c.UnsafeNoFsync || c.InitialCluster != plain.InitialCluster || c.ElectionMs != plain.ElectionMs {
		t.Errorf("no fsync %v, members %s, election %d ms", c.UnsafeNoFsync, c.InitialCluster, c.ElectionMs)
	}
	cfg.ExtraArgs = map[string]string{"no-such-flag": "1"}
	if _, err := cfg.embedded(nil); err == nil {
		t.Error("a flag that etcd does not have is taken")
	}
}
