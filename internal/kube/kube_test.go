package kube

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/pki"
)

// api is a cluster's API that knows what a test tells it: the answer to a request ("GET /api/v1/nodes/n") by its text.
type api struct {
	mu      sync.Mutex
	answers map[string]string
	said    []string
	broken  int // requests whose connection breaks
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	request := r.Method + " " + r.URL.Path
	a.said = append(a.said, request)
	_, _ = io.Copy(io.Discard, r.Body)
	if a.broken > 0 {
		a.broken--
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	answer, ok := a.answers[request]
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	case strings.Contains(answer, `"Forbidden"`):
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, answer)
	default:
		fmt.Fprint(w, answer)
	}
}

const (
	success   = `{"kind":"Status","apiVersion":"v1","status":"Success"}`
	forbidden = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`
	node      = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"}}`
	cordoned  = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"},"spec":{"unschedulable":true}}`
	// interrupted is one that a change of ours has cordoned.
	interrupted = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"n","annotations":{"skiff.dev/cordoned":"true"}},"spec":{"unschedulable":true}}`
	pods        = `{"kind":"PodList","apiVersion":"v1","items":[
		{"metadata":{"name":"a","namespace":"default","uid":"1"},"spec":{"volumes":[{"name":"v","emptyDir":{}}]},"status":{"phase":"Running"}},
		{"metadata":{"name":"d","namespace":"kube-system","ownerReferences":[{"kind":"DaemonSet","name":"d","controller":true,"apiVersion":"apps/v1","uid":"2"}]}}]}`
	path = "/api/v1/nodes/n"
)

// serve serves an API, and returns what its administrator needs.
func serve(t *testing.T, answers map[string]string) (*api, *cluster.Credentials) {
	t.Helper()
	a := &api{answers: answers}
	server := httptest.NewTLSServer(a)
	t.Cleanup(server.Close)
	authority, err := pki.NewCluster(time.Now(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	files, err := authority.Server(pki.ServerNames{Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return a, &cluster.Credentials{Cluster: "demo", Server: server.URL, CA: ca, ClientCert: files[pki.AdminCert], ClientKey: files[pki.AdminKey]}
}

func TestDeleteNode(t *testing.T) {
	for name, tc := range map[string]struct {
		answers map[string]string
		broken  int
		ok      bool
		calls   int
	}{
		"there":         {map[string]string{"DELETE " + path: success}, 0, true, 1},
		"gone":          {nil, 0, true, 1},
		"server breaks": {map[string]string{"DELETE " + path: success}, 2, true, 3},
		"refused":       {map[string]string{"DELETE " + path: forbidden}, 0, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a, creds := serve(t, tc.answers)
			a.broken = tc.broken
			err := Kube{}.DeleteNode(t.Context(), creds, "n")
			if (err == nil) != tc.ok || len(a.said) != tc.calls {
				t.Errorf("%v after %q", err, a.said)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	a, creds := serve(t, nil)
	a.broken = 1000
	if err := (Kube{}).DeleteNode(ctx, creds, "n"); err == nil {
		t.Error("nobody answered, and that was no failure")
	}
}

func TestUncordon(t *testing.T) {
	a, creds := serve(t, map[string]string{"PATCH " + path: node})
	a.broken = 1
	if err := (Kube{}).Uncordon(t.Context(), creds, "n"); err != nil || a.said[len(a.said)-1] != "PATCH "+path {
		t.Errorf("%v after %q", err, a.said)
	}
	if err := (Kube{}).Uncordon(t.Context(), creds, "other"); !apierrors.IsNotFound(err) {
		t.Errorf("a node that does not exist: %v", err)
	}
}

// TestInterrupted finds nodes that are marked, and not one that the user let go since or cordoned.
func TestInterrupted(t *testing.T) {
	_, creds := serve(t, map[string]string{"GET /api/v1/nodes": `{"kind":"NodeList","apiVersion":"v1","items":[` + interrupted + `,` + cordoned + `,
		{"metadata":{"name":"o","annotations":{"skiff.dev/cordoned":"true"}}}]}`})
	if nodes, err := (Kube{}).Interrupted(t.Context(), creds); err != nil || !slices.Equal(nodes, []string{"n"}) {
		t.Errorf("%q, %v", nodes, err)
	}
}

func TestDrain(t *testing.T) {
	a, creds := serve(t, map[string]string{
		"GET " + path: node, "PATCH " + path: cordoned, "GET /api/v1/pods": pods,
		"GET /api":    `{"kind":"APIVersions","versions":["v1"]}`,
		"GET /apis":   `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"policy","versions":[{"groupVersion":"policy/v1","version":"v1"}],"preferredVersion":{"groupVersion":"policy/v1","version":"v1"}}]}`,
		"GET /api/v1": `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"v1","resources":[{"name":"pods/eviction","kind":"Eviction","group":"policy","version":"v1","namespaced":true}]}`,
		"POST /api/v1/namespaces/default/pods/a/eviction":       success,
		"GET /apis/apps/v1/namespaces/kube-system/daemonsets/d": `{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"d"}}`,
	})
	var told []string
	if did, err := (Kube{}).Drain(t.Context(), creds, "n", func(pod string) { told = append(told, pod) }); err != nil || !did {
		t.Fatalf("it cordoned: %t, %v after %q", did, err, a.said)
	}
	// The pod of a DaemonSet stays: it would come again.
	if !slices.Equal(told, []string{"default/a"}) {
		t.Errorf("told of %q", told)
	}
	cordon, evict := slices.Index(a.said, "PATCH "+path), slices.Index(a.said, "POST /api/v1/namespaces/default/pods/a/eviction")
	if cordon < 0 || evict < cordon {
		t.Errorf("requests %q", a.said)
	}

	// One that the user keeps new pods away from is left so.
	a.answers["GET "+path] = cordoned
	if did, err := (Kube{}).Vacate(t.Context(), creds, "n", func(string) {}); err != nil || did {
		t.Errorf("it cordoned: %t, %v", did, err)
	}

	// One that a change of ours left so is not the user's.
	a.answers["GET "+path] = interrupted
	if did, err := (Kube{}).Vacate(t.Context(), creds, "n", func(string) {}); err != nil || !did {
		t.Errorf("it cordoned: %t, %v", did, err)
	}

	// A node that has no object has no pods.
	b, creds := serve(t, nil)
	if did, err := (Kube{}).Drain(t.Context(), creds, "n", nil); err != nil || did || len(b.said) != 1 {
		t.Errorf("it cordoned: %t, %v after %q", did, err, b.said)
	}
	_, creds = serve(t, map[string]string{"GET " + path: forbidden})
	if did, err := (Kube{}).Drain(t.Context(), creds, "n", nil); err == nil || did || !strings.Contains(err.Error(), "find node n") {
		t.Errorf("%v", err)
	}
}
