package objects

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// server is an API server with two pages of Secrets, one ConfigMap, a group that is down and a resource that is
// refused.
func server(t *testing.T) *rest.Config {
	t.Helper()
	replies := map[string]string{
		"/api": `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis": `{"kind":"APIGroupList","groups":[
			{"name":"down.example.com","versions":[{"groupVersion":"down.example.com/v1","version":"v1"}],"preferredVersion":{"groupVersion":"down.example.com/v1","version":"v1"}}]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"secrets","kind":"Secret","namespaced":true,"verbs":["list","get"]},
			{"name":"configmaps","kind":"ConfigMap","namespaced":true,"verbs":["list"]},
			{"name":"nodes","kind":"Node","verbs":["list"]},
			{"name":"pods","kind":"Pod","namespaced":true,"verbs":["list"]},
			{"name":"pods/log","kind":"Pod","namespaced":true,"verbs":["get"]},
			{"name":"bindings","kind":"Binding","namespaced":true,"verbs":["create"]}]}`,
		"/api/v1/secrets": `{"kind":"SecretList","apiVersion":"v1","metadata":{"continue":"next"},"items":[
			{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","managedFields":[{"manager":"x"}],
			 "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"stringData\":{\"p\":\"hunter2\"}}"}},
			 "data":{"p":"aHVudGVyMg=="},"stringData":{"q":"hunter2"}}]}`,
		"/api/v1/secrets?next": `{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":[
			{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"},"data":null}]}`,
		"/api/v1/configmaps": `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":[
			{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","managedFields":[]},"data":{"k":"value"}}]}`,
		"/api/v1/pods": `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Path
		if c := r.URL.Query().Get("continue"); c != "" {
			key += "?" + c
		}
		body, known := replies[key]
		if !known {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return &rest.Config{Host: s.URL}
}

func TestDump(t *testing.T) {
	files := map[string]string{}
	err := Dump(context.Background(), server(t), func(name string, content []byte) error {
		files[name] = string(content)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "core/nodes.yaml") || !strings.Contains(err.Error(), "down.example.com") {
		t.Errorf("what could not be read is not told: %v", err)
	}
	if len(files) != 2 {
		t.Fatalf("files: %v", files)
	}
	secrets := files["core/secrets.yaml"]
	for _, leak := range []string{"hunter2", "aHVudGVyMg", "managedFields"} {
		if strings.Contains(secrets, leak) {
			t.Errorf("%q leaks:\n%s", leak, secrets)
		}
	}
	for _, want := range []string{"name: a", "name: b", "p: (12 characters left out)", "q: (7 characters left out)"} {
		if !strings.Contains(secrets, want) {
			t.Errorf("%q is missing:\n%s", want, secrets)
		}
	}
	if !strings.Contains(files["core/configmaps.yaml"], "k: value") {
		t.Errorf("the ConfigMap lost its data:\n%s", files["core/configmaps.yaml"])
	}
}

func TestRedactOddSecrets(t *testing.T) {
	for _, in := range []string{
		`{"kind":"Secret","apiVersion":"v1","data":"hunter2"}`,
		`{"kind":"Secret","apiVersion":"v1","data":{"a":{"b":"hunter2"}}}`,
		`{"kind":"Secret","apiVersion":"v1","metadata":{"annotations":{"x":"hunter2"}}}`,
	} {
		var o unstructured.Unstructured
		if err := json.Unmarshal([]byte(in), &o.Object); err != nil {
			t.Fatal(err)
		}
		Redact(&o)
		out, err := json.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "hunter2") {
			t.Errorf("leaks: %s", out)
		}
	}
}
