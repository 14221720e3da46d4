package cluster_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest/fakenode"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// api answers as little of the Kubernetes API as it takes to list one ConfigMap and one Secret.
func api() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]string{
		"/api":               `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":              `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
		"/api/v1":            `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["list"]},{"name":"secrets","kind":"Secret","namespaced":true,"verbs":["list"]}]}`,
		"/api/v1/configmaps": `{"kind":"ConfigMapList","apiVersion":"v1","items":[{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings"},"data":{"colour":"blue"}}]}`,
		"/api/v1/secrets":    `{"kind":"SecretList","apiVersion":"v1","items":[{"kind":"Secret","apiVersion":"v1","metadata":{"name":"password"},"data":{"p":"c2VjcmV0LXZhbHVl"}}]}`,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, answer)
		})
	}
	return mux
}

// withLogs is a node that has written logs, and serves the API.
func withLogs(t *testing.T) dockertest.StartFunc {
	return func(p *dockertest.Process) int {
		stop, err := fakenode.Serve(p, api())
		if err != nil {
			t.Error(err)
			return 1
		}
		defer stop()
		for _, name := range []string{"etcd.log", "pods/default_app/app/0.log"} {
			if err := p.WriteFile(nodeapi.LogDir+"/"+name, []byte("log of "+name)); err != nil {
				t.Error(err)
			}
		}
		fakenode.Tell(p)
		<-p.Stopping()
		return 0
	}
}

// unpack reads an archive, by names without the directory that all are in.
func unpack(t *testing.T, archive io.Reader) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for tr := tar.NewReader(zip); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, "skiff-demo/")
		if !ok {
			t.Errorf("%s is outside of the directory", h.Name)
		}
		files[name] = string(content)
	}
}

func TestBundle(t *testing.T) {
	w := newWorld(t)
	w.engine.OnStart(withLogs(t))
	w.mustCreate(t, "demo")
	var out bytes.Buffer
	if err := w.Bundle(t.Context(), "demo", &out); err != nil {
		t.Fatal(describe(err))
	}
	files := unpack(t, &out)
	const n = "nodes/" + demoNode
	for name, word := range map[string]string{
		"engine.json": "28.5.2", "cluster.json": `"state": "running"`,
		"engine/container-" + demoNode + ".json": demoNode, "engine/network-skiff-demo.json": "skiff-demo", "engine/volume-" + demoNode + ".json": demoNode,
		n + "/status.json": `"ready": true`, n + "/output.log": `"kind":"ready"`, n + "/log/etcd.log": "log of etcd.log",
		n + "/log/pods/default_app/app/0.log": "log of pods",
		"objects/core/configmaps.yaml":        "colour: blue", "objects/core/secrets.yaml": "password",
	} {
		if !strings.Contains(files[name], word) {
			t.Errorf("%q is not in %s: %q", word, name, files[name])
		}
	}
	for name, content := range files {
		for _, secret := range []string{"PRIVATE KEY", "BEGIN CERTIFICATE", "c2VjcmV0LXZhbHVl"} {
			if strings.Contains(content, secret) {
				t.Errorf("%s holds %s", name, secret)
			}
		}
	}
	if errs, ok := files["errors.txt"]; ok {
		t.Errorf("errors: %s", errs)
	}
}

// TestBundleOfTheSick collects what there is.
func TestBundleOfTheSick(t *testing.T) {
	w := newWorld(t)
	w.engine.OnStart(withLogs(t))
	w.mustCreate(t, "demo")
	w.engine.Kill(demoNode, 1)
	w.engine.Fail("Inspect", 1, errors.New("cannot inspect"))
	w.engine.Fail("Logs", 1, errors.New("log is gone"))
	w.events.events = nil
	var out bytes.Buffer
	if err := w.Bundle(t.Context(), "demo", &out); err != nil {
		t.Fatal(describe(err))
	}
	files := unpack(t, &out)
	for _, word := range []string{"cannot inspect", "log is gone", "objects: "} {
		if !strings.Contains(files["errors.txt"], word) {
			t.Errorf("%q is not in %s", word, files["errors.txt"])
		}
	}
	if files["nodes/"+demoNode+"/log/etcd.log"] == "" {
		t.Errorf("no log of etcd")
	}
	if told := w.events.states(); !slices.Contains(told, "bundle/objects failed") || !slices.Contains(told, "bundle/cluster.json done") {
		t.Errorf("told %q", told)
	}
}

// fullDisk accepts so many bytes.
type fullDisk struct{ room int }

var errFull = errors.New("disk full")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestBundleCannotBeWritten fails, unlike a part that cannot be had.
func TestBundleCannotBeWritten(t *testing.T) {
	for _, room := range []int{0, 100} {
		w := newWorld(t)
		w.engine.OnStart(withLogs(t))
		w.mustCreate(t, "demo")
		if err := w.Bundle(t.Context(), "demo", &fullDisk{room}); !errors.Is(err, errFull) {
			t.Errorf("error %v", err)
		}
	}
}

// TestBundleCanceled ends where a part was done all the same: the archive has no end, and nobody is told that it has.
func TestBundleCanceled(t *testing.T) {
	w := newWorld(t)
	w.mustCreate(t, "demo")
	ctx, cancel := context.WithCancelCause(t.Context())
	w.events.on = func(e event.Event) {
		if e.Kind == event.KindBundle {
			cancel(errors.New("interrupted"))
		}
	}
	wantFault(t, w.Bundle(ctx, "demo", io.Discard), fault.Canceled, "collection", "interrupted")
}
