package cluster

import (
	"testing"
	"time"
)

// TestDeadlineIsEachNodes gives each node the time from its own start on.
func TestDeadlineIsEachNodes(t *testing.T) {
	r := (&Service{}).newReadiness("demo", time.Minute, "")
	long := time.Now().Add(-time.Hour)
	r.follow("first", nil, nil)
	r.deadlines["first"] = long
	r.follow("second", nil, nil)
	if r.deadlines["first"] != long || time.Until(r.deadlines["second"]) < 50*time.Second {
		t.Errorf("deadlines %v", r.deadlines)
	}
	if got := r.deadline(); got != r.deadlines["second"] {
		t.Errorf("the cluster has until %s", got)
	}
}
