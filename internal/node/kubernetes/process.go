package kubernetes

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"

	_ "github.com/skiff-cluster/skiff/internal/node/kubernetes/quietqueues" // before anything makes a queue
)

// ownFeatureGates differ from upstream's choice. The user has the last word.
var ownFeatureGates = map[string]bool{
	// A controller manager that leads and is stopped gives its office back, as the scheduler does. Without it, it ends the
	// whole process, and a server that is stopped in order is noticed six seconds later.
	"ControllerManagerReleaseLeaderElectionLockOnExit": true,
}

// setUpProcess does once what each upstream command would do for itself.
func setUpProcess(featureGates map[string]bool) error {
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(ownFeatureGates); err != nil {
		return fmt.Errorf("feature gates: %w", err)
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(featureGates); err != nil {
		return fmt.Errorf("feature gates: %w", err)
	}
	if err := compatibility.DefaultComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	utilfeature.DefaultMutableFeatureGate.AddMetrics()
	compatibility.DefaultComponentGlobalsRegistry.AddMetrics()
	return nil
}

const (
	// startGCPercent lets the heap grow while everything starts: at Go's usual pace a fifth of the start's time is
	// spent on collecting garbage that the start itself makes. With 400, what lives lay so scattered afterwards that an
	// idle node kept 25 MiB more.
	startGCPercent = 200
	// steadyGCPercent is less than Go's 100: an idle node allocates little, and memory is what it costs most.
	steadyGCPercent = 60
	// settleTime is how long after the node became ready its first pods may start before the heap is tidied.
	settleTime = 10 * time.Second
)

// tuneMemory lets the heap grow until ready is closed, and returns what is not needed afterwards to the system. A
// GOGC in the environment is obeyed instead.
func tuneMemory(ctx context.Context, ready <-chan struct{}) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(startGCPercent)
	select {
	case <-ready:
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(settleTime):
		debug.SetGCPercent(steadyGCPercent)
		debug.FreeOSMemory()
	case <-ctx.Done():
	}
}

// limitMemory makes the collection of garbage stricter as the heap comes near to more than half of the node's size, 0
// for the host's: a heap that grows on would have the kernel end this process, or a pod.
func limitMemory(nodeSize int64) {
	if nodeSize > 0 {
		debug.SetMemoryLimit(nodeSize / 10 * 6)
	}
}

// profileTime is how much of the start a CPU profile covers.
const profileTime = 6 * time.Second

// startProfile writes a CPU profile of the start to the file that SKIFF_CPUPROFILE names: the way to find
// out where the time of a create goes. The returned function ends it early.
func startProfile() (func(), error) {
	path := os.Getenv("SKIFF_CPUPROFILE")
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	timer := time.AfterFunc(profileTime, pprof.StopCPUProfile)
	return func() {
		if timer.Stop() {
			pprof.StopCPUProfile()
		}
	}, nil
}
