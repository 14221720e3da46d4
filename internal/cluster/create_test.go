package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

func TestCreate(t *testing.T) {
	w := newWorld(t)
	created := w.mustCreate(t, "demo")
	const node = "skiff-demo-server-1"

	if got, want := w.engine.Objects(), []string{"container " + node, "network skiff-demo", "volume " + node}; !slices.Equal(got, want) {
		t.Errorf("objects %q, want %q", got, want)
	}
	c := created.Cluster
	if c.Name != "demo" || c.State != cluster.StateRunning || c.Kubernetes != "v1.37.2" || len(c.Nodes) != 1 || c.Endpoint != created.Credentials.Server {
		t.Errorf("created %+v", c)
	}
	if created.Took <= 0 {
		t.Errorf("took %v", created.Took)
	}
	// What is read back from the volume is what was handed out.
	creds, err := w.Credentials(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if string(creds.ClientKey) != string(created.Credentials.ClientKey) || string(creds.CA) != string(created.Credentials.CA) ||
		string(creds.ClientCert) != string(created.Credentials.ClientCert) || creds.Server != created.Credentials.Server {
		t.Error("the credentials on the volume are others")
	}
	var config nodeapi.Config
	content, err := w.engine.ReadFile(node, nodeapi.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	if config.Node != node || config.Role != nodeapi.RoleServer || !slices.Equal(config.Servers, []string{node}) || config.Ephemeral ||
		len(config.DNSServiceIPs) != 1 || config.ClusterDomain != "cluster.local" {
		t.Errorf("config %+v", config)
	}
	files := w.engine.Files(node)
	for _, name := range []string{"config.json", "pki/ca.crt", "pki/ca.key", "pki/apiserver.key", "pki/admin.crt", "pki/kubelet.key"} {
		if !slices.Contains(files, name) {
			t.Errorf("%s is not among %q", name, files)
		}
	}
}

// TestCreateTells checks the story of a creation: each step once, after those that it waits for.
func TestCreateTells(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	told := w.events.states()
	at := func(what string) int {
		t.Helper()
		i := slices.Index(told, what)
		if i < 0 {
			t.Fatalf("%q was not told:\n%s", what, strings.Join(told, "\n"))
		}
		return i
	}
	const n = "skiff-demo-server-1"
	for _, order := range [][]string{
		{"image started", "image done", "node/" + n + " started"},
		{"certs started", "certs done", "node/" + n + " started"},
		{"volume/" + n + " started", "volume/" + n + " done", "network started", "network done", "node/" + n + " started", "node/" + n + " done"},
		{"node/" + n + " done", "start/" + n + " started", "start/" + n + "/etcd started", "start/" + n + "/etcd done", "start/" + n + " done"},
		{"start/" + n + "/check/dns started", "start/" + n + "/check/dns done", "start/" + n + " done", "ready/api started", "ready/api done"},
	} {
		for i := 1; i < len(order); i++ {
			if at(order[i-1]) > at(order[i]) {
				t.Errorf("%q was told after %q", order[i-1], order[i])
			}
		}
	}
	if last := told[len(told)-1]; last != "ready/api done" {
		t.Errorf("the story ends with %q", last)
	}
	seen := map[string]bool{}
	for _, what := range told {
		if seen[what] {
			t.Errorf("%q was told twice", what)
		}
		seen[what] = true
	}
	for _, e := range w.events.events {
		if e.Time.IsZero() {
			t.Errorf("no time: %+v", e)
		}
		if e.Kind == event.KindComponent && e.Parent != "start/"+n {
			t.Errorf("no parent: %+v", e)
		}
	}

	// The second time the image is there.
	w.events.events = nil
	w.mustCreate(t, "other")
	if told := w.events.states(); !slices.Contains(told, "image skipped") || slices.Contains(told, "image started") {
		t.Errorf("second creation: %q", told)
	}
	if w.engine.Count("LoadImage") != 1 {
		t.Errorf("the image was loaded %d times", w.engine.Count("LoadImage"))
	}
}

// TestNodeSecurity is what a node may and may not do, asserted on what the engine is asked for.
func TestNodeSecurity(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	got, _ := w.engine.Spec("skiff-demo-server-1")
	table := cluster.CapabilityTable()
	if len(got.Capabilities) != len(table) {
		t.Errorf("%d capabilities, %d reasons", len(got.Capabilities), len(table))
	}
	for _, c := range got.Capabilities {
		if table[c] == "" {
			t.Errorf("no reason for %s", c)
		}
	}
	for _, never := range []string{"ALL", "SYS_RESOURCE", "SYS_MODULE", "SYS_TIME", "SYS_BOOT", "SYS_RAWIO"} {
		if slices.Contains(got.Capabilities, never) {
			t.Errorf("has %s", never)
		}
	}
	if len(got.Ports) != 1 || got.Ports[0].HostIP != "127.0.0.1" || got.Ports[0].ContainerPort != nodeapi.APIServerPort {
		t.Errorf("published: %+v", got.Ports)
	}
	for volume, at := range got.Volumes {
		if volume != "skiff-demo-server-1" || at != nodeapi.StateDir {
			t.Errorf("mounted: %s at %s", volume, at)
		}
	}
	if got.Restart != "unless-stopped" || !got.Address.IsValid() || got.Hostname != got.Name || !got.PrivateCgroupNS {
		t.Errorf("container %+v", got)
	}

	// The whole of it, so that a change is seen by who reviews it.
	delete(got.Labels, nodeapi.LabelCreation) // differs each time
	got.Ports[0].HostPort = 0                 // as is free on the machine of the test
	delete(got.Labels, nodeapi.LabelAPIPort)
	content, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(content), got.Address.String(), "ADDRESS")
	testutil.Golden(t, "node.json", text+"\n")
}

func TestPrivateKeys(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	modes, err := w.engine.Modes("skiff-demo-server-1")
	if err != nil {
		t.Fatal(err)
	}
	if modes["pki"] != 0o700 {
		t.Errorf("pki is %o", modes["pki"])
	}
	for name, mode := range modes {
		if path.Dir(name) == "pki" && mode != 0o600 {
			t.Errorf("%s is %o", name, mode)
		}
	}
	if len(modes) < 10 {
		t.Errorf("only %d files: %v", len(modes), modes)
	}
}

// TestCreateWithImageOfEngine uses an image that is in the engine, and never opens the one it carries.
func TestCreateWithImageOfEngine(t *testing.T) {
	w := newWorld(t)
	w.engine.AddImage(cluster.Image{Tags: []string{"mine:1"}, Labels: nodeLabels()})
	w.Image = func() (cluster.NodeImage, error) { return nil, errors.New("must not be opened") }
	s := spec("demo")
	s.ImageRef = "mine:1"
	if _, err := w.Create(t.Context(), s, cluster.CreateOptions{}); err != nil {
		t.Fatal(describe(err))
	}
	if got, _ := w.engine.Spec("skiff-demo-server-1"); got.Image != "mine:1" {
		t.Errorf("image %s", got.Image)
	}
}

// TestImageIsNotWhatItSays loads an archive that holds something else than its labels promise.
func TestImageIsNotWhatItSays(t *testing.T) {
	w := newWorld(t)
	w.image.archive = imageArchive(t, nodeImageRef, "arm64", nodeLabels())
	_, err := w.Create(t.Context(), spec("demo"), cluster.CreateOptions{})
	wantFault(t, err, fault.Invalid, "arm64")
	w.nothingLeft(t)
}

// unclosable is an engine whose streams cannot be closed.
type unclosable struct{ cluster.Engine }

type unclosableStream struct{ io.ReadCloser }

func (e unclosable) Attach(ctx context.Context, container string) (io.ReadCloser, error) {
	stream, err := e.Engine.Attach(ctx, container)
	return unclosableStream{stream}, err
}

func (s unclosableStream) Close() error {
	return errors.Join(s.ReadCloser.Close(), errors.New("broken pipe"))
}

// TestReadyThoughItsStreamBreaks has a node that is ready, which is all that its output is read for.
func TestReadyThoughItsStreamBreaks(t *testing.T) {
	w := newWorld(t)
	w.Engine = unclosable{w.Engine}
	w.mustCreate(t, "demo")
}
