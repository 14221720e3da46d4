//go:build e2e

package e2e

import (
	"testing"

	"golang.org/x/sync/semaphore"
)

// room bounds how many clusters of their own scenarios have at the same time, beside the shared one: a node spends
// memory, processors, and some twenty of the 128 inotify instances that many hosts have.
const room = 2

var taken = semaphore.NewWeighted(room)

// Own starts a scenario with up to so many clusters of its own, beside others. It waits until there is room.
func Own(t *testing.T, clusters int64, obligation string) *Scenario {
	t.Helper()
	t.Parallel()
	if err := taken.Acquire(t.Context(), clusters); err != nil {
		t.Fatalf("wait for room: %v", err)
	}
	t.Cleanup(func() { taken.Release(clusters) }) // registered first, so done last
	return New(t, obligation)
}
