//go:build linux

package main

import (
	"context"
	"flag"
	"net/http"
	"strings"
)

const (
	apiGroup   = "e2e.skiff.dev"
	apiVersion = apiGroup + "/v1"
)

// object is any answer of the API.
type object map[string]any

// runAPIServer serves one read-only resource, greetings, the way an extension of the Kubernetes API is served:
// the main API server forwards to it, proves by a client certificate that it is the main API server, and says in
// headers who asks.
func runAPIServer(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("apiserver", flag.ContinueOnError)
	dir := flags.String("tls", "/tls", "directory of tls.crt and tls.key")
	clientCA := flags.String("client-ca", "/front-proxy/ca.crt", "certificate that signs the main API server's client certificate")
	if err := flags.Parse(args); err != nil {
		return err
	}
	version := object{"groupVersion": apiVersion, "version": "v1"}
	group := object{
		"kind": "APIGroup", "apiVersion": "v1", "name": apiGroup,
		"versions": []object{version}, "preferredVersion": version,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, "ok") })
	mux.HandleFunc("/apis", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, object{"kind": "APIGroupList", "apiVersion": "v1", "groups": []object{group}})
	})
	mux.HandleFunc("/apis/"+apiGroup, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, group) })
	mux.HandleFunc("/apis/"+apiVersion, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, object{
			"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": apiVersion,
			"resources": []object{{
				"name": "greetings", "singularName": "greeting", "namespaced": true, "kind": "Greeting",
				"verbs": []string{"get", "list"},
			}},
		})
	})
	mux.HandleFunc("/apis/"+apiVersion+"/namespaces/{namespace}/greetings", greetings)
	mux.HandleFunc("/apis/"+apiVersion+"/namespaces/{namespace}/greetings/{name}", greetings)
	return serveTLS(ctx, *dir, *clientCA, mux)
}

// greetings gets one greeting, or lists the only one there is.
func greetings(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		writeJSON(w, http.StatusUnauthorized, failure("this client is not the API server", http.StatusUnauthorized))
		return
	}
	name, isGet := r.PathValue("name"), r.PathValue("name") != ""
	if !isGet {
		name = "hello"
	}
	greeting := object{
		"kind": "Greeting", "apiVersion": apiVersion,
		"metadata": object{"name": name, "namespace": r.PathValue("namespace")},
		"spec": object{
			"user":   r.Header.Get("X-Remote-User"),
			"groups": strings.Join(r.Header.Values("X-Remote-Group"), ","),
		},
	}
	switch {
	case isGet && name != "hello":
		writeJSON(w, http.StatusNotFound, failure("no greeting of that name", http.StatusNotFound))
	case isGet:
		writeJSON(w, http.StatusOK, greeting)
	default:
		writeJSON(w, http.StatusOK, object{"kind": "GreetingList", "apiVersion": apiVersion, "metadata": object{}, "items": []object{greeting}})
	}
}

func failure(message string, code int) object {
	return object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
}
