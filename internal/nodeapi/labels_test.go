package nodeapi_test

import (
	"testing"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

func TestIsReservedLabel(t *testing.T) {
	for name, want := range map[string]bool{
		"disk": false, "example.org/disk": false, "mykubernetes.io/disk": false, "kubernetes.io.example.org/disk": false,
		"kubernetes.io/os": true, "node-role.kubernetes.io/worker": true, "k8s.io/x": true, "node-restriction.kubernetes.io/x": true, "a.b.k8s.io/x": true,
	} {
		if got := nodeapi.IsReservedLabel(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
