package fakenode

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
)

// handleSigns answers what clients ask for to see that nodes live: every container is a node that is Ready and has just
// said so. Nothing changes as long as somebody watches.
func handleSigns(mux *http.ServeMux, p *dockertest.Process) {
	const leases = "kube-node-lease"
	list := func(path, version, kind string, item func(name string) map[string]any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			query := r.URL.Query()
			switch {
			case query.Has("sendInitialEvents"): // of a server that has only lists: clients ask for one then
				w.WriteHeader(http.StatusUnprocessableEntity)
				_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": http.StatusUnprocessableEntity})
			case query.Has("watch"):
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-p.Stopping():
				}
			default:
				var items []any
				for _, object := range p.Engine().Objects() {
					if name, isContainer := strings.CutPrefix(object, "container "); isContainer {
						items = append(items, item(name))
					}
				}
				_ = json.NewEncoder(w).Encode(map[string]any{"kind": kind, "apiVersion": version, "metadata": map[string]any{"resourceVersion": "1"}, "items": items})
			}
		})
	}
	list("/api/v1/nodes", "v1", "NodeList", func(name string) map[string]any {
		ready := map[string]any{"type": "Ready", "status": "True"}
		return map[string]any{"metadata": map[string]any{"name": name}, "status": map[string]any{"conditions": []any{ready}}}
	})
	list("/apis/coordination.k8s.io/v1/namespaces/"+leases+"/leases", "coordination.k8s.io/v1", "LeaseList", func(name string) map[string]any {
		return map[string]any{"metadata": map[string]any{"namespace": leases, "name": name}, "spec": map[string]any{"renewTime": time.Now().Format("2006-01-02T15:04:05.000000Z07:00")}}
	})
}
