package cluster

import (
	"context"
	"testing"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// TestUnknownStep refuses steps of which one would wait for ever, before it does any.
func TestUnknownStep(t *testing.T) {
	x := executor{emit: func(event.Event) {}, do: func(context.Context, Step) error {
		t.Error("a step was done")
		return nil
	}}
	err := x.run(t.Context(), []Step{{ID: "network"}, {ID: "node", After: []string{"network", "volum"}}})
	if fault.CodeOf(err) != fault.Internal || err.Error() != "step node is to come after step volum, which is not there" {
		t.Errorf("error %v", err)
	}
}
