package cluster_test

import (
	"slices"
	"testing"
)

// TestAddServerByALostName makes a server whose name the datastore knows yet: its container and its volume were removed
// behind Skiff's back.
func TestAddServerByALostName(t *testing.T) {
	w := newWorld(t)
	w.mustCreateOf(t, "demo", 3, 0)
	const lost = "skiff-demo-server-3"
	must(t, w.engine.RemoveContainer(t.Context(), lost))
	must(t, w.engine.RemoveVolume(t.Context(), lost))
	w.mustAdd(t, servers(1))
	all := []string{demoNode, "skiff-demo-server-2", lost}
	for _, name := range all {
		if got := w.members(t, name); !slices.Equal(got, all) {
			t.Errorf("the members are %q, says %s", got, name)
		}
	}
}
