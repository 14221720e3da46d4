package cluster_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// former is what a skiff of an earlier day made: what it gave Docker, as far as it is read again, and what it told the
// nodes. The files are what that skiff wrote, and stay as they are; its certificates would be out of date, and are new.
type former struct {
	Networks   []cluster.Network
	Volumes    []cluster.VolumeSpec
	Containers []cluster.ContainerSpec
	Configs    map[string]json.RawMessage // by node
}

// made is an engine with a former skiff's cluster demo, which runs.
func (f former) made(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	ctx := t.Context()
	authority, err := pki.NewCluster(time.Now(), "demo")
	must(t, err)
	for _, n := range f.Networks {
		must(t, w.engine.CreateNetwork(ctx, cluster.NetworkSpec{Name: n.Name, Labels: n.Labels, Subnet: n.Subnets[0]}))
	}
	for _, v := range f.Volumes {
		must(t, w.engine.CreateVolume(ctx, v))
	}
	w.engine.AddImage(cluster.Image{Tags: []string{f.Containers[0].Image}, Labels: nodeLabels(), Architecture: "amd64"})
	for _, c := range f.Containers {
		if len(c.Ports) > 0 { // see ownLoopback
			c.Labels[nodeapi.LabelAPIAddress], c.Ports[0].HostIP = ownLoopback, ownLoopback
		}
		_, err := w.engine.CreateContainer(ctx, c)
		must(t, err)
		files := map[string][]byte{strings.TrimPrefix(nodeapi.ConfigPath, nodeapi.StateDir+"/"): f.Configs[c.Name]}
		if c.Labels[nodeapi.LabelRole] != string(nodeapi.RoleAgent) {
			keys, err := authority.Server(pki.ServerNames{Node: c.Name, Addresses: []netip.Addr{c.Address, netip.MustParseAddr(ownLoopback)}})
			must(t, err)
			for name, content := range keys {
				files[filepath.Join("pki", name)] = content
			}
		}
		must(t, w.engine.CopyTo(ctx, c.Name, nodeapi.StateDir, bytes.NewReader(tarOf(t, files))))
		must(t, w.engine.StartContainer(ctx, c.Name))
	}
	return w
}

// tarOf packs files.
func tarOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	out := tar.NewWriter(&packed)
	for name, content := range files {
		must(t, out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}))
		_, err := out.Write(content)
		must(t, err)
	}
	must(t, out.Close())
	return packed.Bytes()
}

// TestFormerClusters lists, stops, starts and deletes what former skiffs made: a cluster outlives the one that made it.
func TestFormerClusters(t *testing.T) {
	files, err := filepath.Glob("testdata/former/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			must(t, err)
			var f former
			must(t, json.Unmarshal(content, &f))
			w := f.made(t)

			all, err := w.List(t.Context())
			must(t, err)
			if len(all) != 1 || all[0].Name != "demo" || all[0].State != cluster.StateRunning || len(all[0].Nodes) != len(f.Containers) ||
				all[0].Kubernetes != "v1.37.2" || !strings.HasPrefix(all[0].Endpoint, "https://"+ownLoopback+":") {
				t.Fatalf("listed %+v", all)
			}
			for _, n := range all[0].Nodes {
				if config := w.config(t, n.Name); config.Role != n.Role || config.Node != n.Name {
					t.Errorf("%+v was told %+v", n, config)
				}
			}
			w.answers(t)
			must(t, w.Stop(t.Context(), "demo"))
			if got := w.state(t); got != cluster.StateStopped {
				t.Errorf("it is %s", got)
			}
			w.mustStart(t)
			w.answers(t)
			w.mustAdd(t, agents(1))
			w.mustRemove(t, "agent-1")
			must(t, w.Delete(t.Context(), "demo"))
			w.nothingLeft(t)
		})
	}
}
