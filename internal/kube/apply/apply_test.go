package apply

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// api is a Kubernetes API that knows ConfigMaps, definitions of kinds, and Widgets once it was asked for them so often.
type api struct {
	*httptest.Server
	mu sync.Mutex
	// applied are the paths that objects were applied to.
	applied []string
	// late is how many attempts to apply a Widget fail because the API does not know the kind yet.
	late int
}

const core = `{"kind":"APIResourceList","groupVersion":"v1","resources":[
	{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["patch"]},
	{"name":"namespaces","kind":"Namespace","namespaced":false,"verbs":["patch"]}]}`

func newAPI(t *testing.T) *api {
	a := &api{}
	mux := http.NewServeMux()
	say := func(path, text string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(text))
		})
	}
	group := func(name string) string {
		return `{"name":"` + name + `","versions":[{"groupVersion":"` + name + `/v1","version":"v1"}],"preferredVersion":{"groupVersion":"` + name + `/v1","version":"v1"}}`
	}
	say("/api", `{"kind":"APIVersions","versions":["v1"]}`)
	say("/api/v1", core)
	say("/apis", `{"kind":"APIGroupList","groups":[`+group("apiextensions.k8s.io")+`,`+group("example.test")+`]}`)
	say("/apis/apiextensions.k8s.io/v1", `{"kind":"APIResourceList","groupVersion":"apiextensions.k8s.io/v1","resources":[
		{"name":"customresourcedefinitions","kind":"CustomResourceDefinition","namespaced":false,"verbs":["patch"]}]}`)
	mux.HandleFunc("GET /apis/example.test/v1", func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.late--; a.late >= 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"APIResourceList","groupVersion":"example.test/v1","resources":[{"name":"widgets","kind":"Widget","namespaced":true,"verbs":["patch"]}]}`))
	})
	mux.HandleFunc("PATCH /", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Content-Type") != "application/apply-patch+yaml" || r.URL.Query().Get("fieldManager") != "skiff" {
			t.Errorf("%s: %s", r.URL, r.Header)
		}
		if strings.HasSuffix(r.URL.Path, "/refused") {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"a policy says no","reason":"Forbidden","code":403}`))
			return
		}
		a.applied = append(a.applied, r.URL.Path)
		_, _ = w.Write([]byte(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"}}`))
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// applier returns a client of the API.
func (a *api) applier(t *testing.T) *Applier {
	applier, err := newApplier(&rest.Config{Host: a.URL})
	if err != nil {
		t.Fatal(err)
	}
	return applier
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.test}
spec: {group: example.test, names: {kind: Widget}}
---
`

const widget = "apiVersion: example.test/v1\nkind: Widget\nmetadata: {name: w}\n"

// TestOrder applies objects in the order of the file, those of lists too, each in its namespace.
func TestOrder(t *testing.T) {
	a := newAPI(t)
	file := write(t, "# begins with a comment\n---\n"+configMap+"b}\n---\n# nothing\n---\n"+
		configMap+"a, namespace: other}\n--- # the last\napiVersion: v1\nkind: List\nitems:\n"+
		"- {apiVersion: v1, kind: Namespace, metadata: {name: other, namespace: none}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: other}}\n")
	var told []string
	err := a.applier(t).File(t.Context(), file, func(done, total int, next string) {
		if done != len(told) || total != 4 {
			t.Errorf("%d of %d are done before %s", done, total, next)
		}
		told = append(told, next)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/api/v1/namespaces/default/configmaps/b", "/api/v1/namespaces/other/configmaps/a", "/api/v1/namespaces/other", "/api/v1/namespaces/other/configmaps/c",
	}
	if !slices.Equal(a.applied, want) {
		t.Errorf("applied %v", a.applied)
	}
	if want := []string{"ConfigMap b", "ConfigMap other/a", "Namespace none/other", "ConfigMap other/c"}; !slices.Equal(told, want) {
		t.Errorf("told of %q", told)
	}
}

// TestNewKind waits until the API knows a kind, from one file to the next.
func TestNewKind(t *testing.T) {
	a := newAPI(t)
	a.late = 3
	applier := a.applier(t)
	for _, file := range []string{write(t, definition), write(t, widget)} {
		if err := applier.File(t.Context(), file, func(int, int, string) {}); err != nil {
			t.Fatal(err)
		}
	}
	if want := "/apis/example.test/v1/namespaces/default/widgets/w"; !slices.Contains(a.applied, want) {
		t.Errorf("applied %v", a.applied)
	}
}

// TestErrors: an error names the file, the place in it and the object, and nothing is applied after it.
func TestErrors(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"refused", configMap + "ok}\n---\n" + configMap + "refused}\n---\n" + configMap + "after}\n", "manifest.yaml, line 5: ConfigMap default/refused: a policy says no"},
		{"unknown kind", "apiVersion: v1\nkind: Gadget\nmetadata: {name: g}\n", `line 1: Gadget g: no matches for kind "Gadget" in version "v1"`},
		{"kind that does not come", definition + widget, "line 7: Widget w: its definition was applied, and the API does not serve it after 300ms"},
		{"no name", "apiVersion: v1\nkind: ConfigMap\n", "line 1: this ConfigMap has no metadata.name"},
		{"no YAML", "\n\na: [", "line 3: yaml: "},
		{"key given twice", "a: 1\na: 2\n", `key "a" already set`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAPI(t)
			a.late = 1000
			applier := a.applier(t)
			applier.kindTimeout = 300 * time.Millisecond
			err := applier.File(t.Context(), write(t, tc.text), func(int, int, string) {})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if slices.ContainsFunc(a.applied, func(path string) bool { return strings.HasSuffix(path, "/after") }) {
				t.Error("it went on after the failure")
			}
		})
	}
}

// TestCancel ends a wait for a kind.
func TestCancel(t *testing.T) {
	a := newAPI(t)
	a.late = 1000
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := a.applier(t).File(ctx, write(t, definition+widget), func(int, int, string) {}); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
