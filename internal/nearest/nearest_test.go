package nearest_test

import (
	"testing"

	"github.com/skiff-cluster/skiff/internal/nearest"
)

func TestName(t *testing.T) {
	names := []string{"create", "delete", "hostAddress", "hostPort", "kubeconfig", "kubectl", "list", "ls", "podCIDRs", "status", "version"}
	for in, want := range map[string]string{
		"crate": "create", "creat": "create", "delte": "delete", "kubeclt": "kubectl", "sta": "status",
		"stauts": "status", "versoin": "version", "podCidrs": "podCIDRs", "podcidr": "podCIDRs", "host": "hostPort", "frobnicate": "", "x": "", "": "",
	} {
		if got := nearest.Name(in, names); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
