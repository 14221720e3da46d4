package kubernetes

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"k8s.io/klog/v2"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/node/seed"
)

// Upstream code runs once per process: the tests that need it run this binary again, which then does what
// this variable says, to the seed that its argument names.
const childVariable = "SKIFF_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "":
		os.Exit(m.Run())
	case "seed":
		os.Exit(Main([]string{"seed", "--out", os.Args[1]}))
	case "rewritten":
		if err := printRewritten(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func runChild(t *testing.T, what, path string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, path)
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, &stderr)
	}
	t.Logf("%s", &stderr)
	return stdout.String()
}

// printRewritten runs a control plane on a datastore with a seed, as in a node's first start, and prints the
// keys that the seed should have held: what was not in it, and what was and yet was written again.
func printRewritten(path string) error {
	dir, err := os.MkdirTemp("", "skiff-seed-test-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	klog.SetLogger(newLogRouter(dir).Logger())
	node, err := seedNode(dir)
	if err != nil {
		return err
	}
	if err := setUpProcess(nil); err != nil {
		return err
	}
	ctx := context.Background()
	datastore, err := component.StartEtcd(ctx, component.EtcdFor(node, nil))
	if err != nil {
		return err
	}
	if err := seed.Load(path)(ctx, datastore); err != nil {
		return err
	}
	loaded := datastore.Server.KV().Rev()
	began := time.Now()
	if err := fillDatastore(ctx, node, datastore); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "settled after %.1f s\n", time.Since(began).Seconds())
	resp, err := datastore.Server.Range(ctx, &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
	if err != nil {
		return err
	}
	for _, kv := range resp.Kvs {
		if seed.Constant(string(kv.Key)) && kv.ModRevision > loaded {
			fmt.Printf("%s\n", kv.Key)
		}
	}
	return nil
}

func TestSeed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a control plane three times")
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	runChild(t, "seed", first)
	runChild(t, "seed", second)
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("two runs made different seeds, of %d and %d bytes", len(a), len(b))
	}
	if keys := runChild(t, "rewritten", first); keys != "" {
		t.Errorf("a control plane on the seed wrote what is in it, or should be:\n%s", keys)
	}
}
