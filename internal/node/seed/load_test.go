package seed

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startEtcd runs a server on a data directory until the test or stop ends it.
func startEtcd(t testing.TB, dir string) (server *embed.Etcd, stop func()) {
	t.Helper()
	sockets, err := os.MkdirTemp("", "seed") //nolint:usetesting // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	c := embed.NewConfig()
	c.Name, c.Dir = "seed", dir
	c.ListenClientUrls = []url.URL{{Scheme: "unix", Path: filepath.Join(sockets, "s")}}
	c.AdvertiseClientUrls = c.ListenClientUrls
	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{{Scheme: "https", Host: "seed:2380"}}
	c.InitialCluster = "seed=https://seed:2380"
	c.TickMs, c.ElectionMs = 10, 100
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	server, err = embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		server.Close()
		_ = os.RemoveAll(sockets)
	})
	t.Cleanup(stop)
	<-server.Server.ReadyNotify()
	return server, stop
}

// contents are a datastore's keys and values.
func contents(t *testing.T, server *embed.Etcd) map[string]string {
	t.Helper()
	resp, err := server.Server.Range(t.Context(), &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, kv := range resp.Kvs {
		all[string(kv.Key)] = string(kv.Value)
	}
	return all
}

// checkLoaded fails the test unless a datastore holds the marker and a seed's objects.
func checkLoaded(t *testing.T, s *Seed, all map[string]string) {
	t.Helper()
	if len(all) != s.Objects()+1 || all[marker] == "" {
		t.Errorf("the datastore has %d keys and the marker %q; want %d and the marker", len(all), all[marker], s.Objects()+1)
	}
	for _, e := range s.entries {
		if _, err := objectUID([]byte(all[e.key])); err != nil {
			t.Errorf("%s: %v", e.key, err)
		}
	}
}

// manyObjects is a seed of more keys than etcd's API takes in one transaction.
func manyObjects() *Seed {
	const objects = 400
	s := &Seed{uids: objects}
	for i := range objects {
		value := []byte(`{"metadata":{"uid":"00000000-0000-0000-0000-000000000000"}}`)
		s.entries = append(s.entries, entry{
			key: fmt.Sprintf("/registry/clusterroles/%d", i), value: append(value, bytes.Repeat([]byte(" "), 1000)...),
			blanks: []blank{{kind: blankUID, offset: len(`{"metadata":{"uid":"`), uid: i}},
		})
	}
	return s
}

func writeSeed(t testing.TB, s *Seed) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seed")
	if err := s.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadOnce(t *testing.T) {
	s := manyObjects()
	load := Load(writeSeed(t, s))
	dir := t.TempDir()
	server, stop := startEtcd(t, dir)
	if err := load(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	first := contents(t, server)
	checkLoaded(t, s, first)
	if err := load(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	stop()
	server, _ = startEtcd(t, dir)
	if err := load(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	second := contents(t, server)
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Error("a later load changed the datastore")
	}
	if rev := server.Server.KV().Rev(); rev != firstRevision+1 {
		t.Errorf("revision %d after three loads, want %d", rev, firstRevision+1)
	}
}

func TestLoadLeavesOthersContentAlone(t *testing.T) {
	server, _ := startEtcd(t, t.TempDir())
	put := &pb.PutRequest{Key: []byte(namespaceKey), Value: []byte("mine")}
	if _, err := server.Server.Put(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "none") // it is not even read
	if err := Load(missing)(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	if all := contents(t, server); len(all) != 1 || all[namespaceKey] != "mine" {
		t.Errorf("the datastore now holds %v", all)
	}
}

func TestLoadBySeveralServersAtOnce(t *testing.T) {
	s := manyObjects()
	server, _ := startEtcd(t, t.TempDir())
	errs := make(chan error)
	for range 3 {
		go func() { errs <- s.load(t.Context(), server) }()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	checkLoaded(t, s, contents(t, server))
	if rev := server.Server.KV().Rev(); rev != firstRevision+1 {
		t.Errorf("revision %d, so more than one load wrote", rev)
	}
}

// TestLoadSurvivesCrash starts servers on the files that a crash would have left: just before the load,
// just after it (when the backend has nothing of it yet, only the log), and with the log cut off within it.
func TestLoadSurvivesCrash(t *testing.T) {
	s := manyObjects()
	load := Load(writeSeed(t, s))
	dir, before, after, torn := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	server, stop := startEtcd(t, dir)
	copyFiles(t, dir, before)
	if err := load(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	copyFiles(t, dir, after)
	copyFiles(t, dir, torn)
	stop()
	cutLog(t, torn)
	for name, left := range map[string]string{"before": before, "after": after, "torn": torn} {
		server, stop := startEtcd(t, left)
		if loaded := server.Server.KV().Rev() > firstRevision; loaded != (name == "after") {
			t.Errorf("%s: the datastore has something in it: %t", name, loaded)
		}
		if err := load(t.Context(), server); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkLoaded(t, s, contents(t, server))
		stop()
	}
}

// copyFiles copies a server's data directory as it is on the disk. The database is left out: it may be
// changed while it is copied, and a server makes a new one from its log.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	wal := filepath.Join("member", "wal")
	if err := os.MkdirAll(filepath.Join(to, "member", "snap"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(to, wal), os.DirFS(filepath.Join(from, wal))); err != nil {
		t.Fatal(err)
	}
}

// cutLog overwrites the second half of what the log holds with zeros, as in a file that was not written
// to its end.
func cutLog(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "member", "wal", "*.wal"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("log files: %v, %v", logs, err)
	}
	data, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	used := len(data)
	for used > 0 && data[used-1] == 0 {
		used--
	}
	clear(data[used/2:])
	if err := os.WriteFile(logs[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadWithoutFile(t *testing.T) {
	server, _ := startEtcd(t, t.TempDir())
	if err := Load(filepath.Join(t.TempDir(), "none"))(t.Context(), server); err == nil {
		t.Error("no error")
	}
}

func TestCollectWhatWasLoaded(t *testing.T) {
	s := mustSeed(t)
	server, _ := startEtcd(t, t.TempDir())
	since := time.Now()
	if err := s.load(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	lease := &pb.PutRequest{Key: []byte("/registry/leases/kube-system/x"), Value: []byte("x")}
	if _, err := server.Server.Put(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	again, err := Collect(t.Context(), server, since)
	if err != nil {
		t.Fatal(err)
	}
	if string(again.encode()) != string(s.encode()) {
		t.Error("a seed that was loaded and collected is another")
	}
}

func BenchmarkLoad(b *testing.B) {
	load := Load(writeSeed(b, manyObjects()))
	for b.Loop() {
		b.StopTimer()
		server, stop := startEtcd(b, b.TempDir())
		b.StartTimer()
		if err := load(context.Background(), server); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}
