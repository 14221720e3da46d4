package kubernetes

import (
	"bytes"
	"runtime"
	"testing"

	"k8s.io/client-go/util/workqueue"
)

// TestQueuesAreQuiet is about the order in which packages are initialised: see package quietqueues.
func TestQueuesAreQuiet(t *testing.T) {
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Name: "tested"})
	defer queue.ShutDown()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if bytes.Contains(stacks, []byte("updateUnfinishedWork")) {
		t.Errorf("the queue measures itself:\n%s", stacks)
	}
}
