package kubernetes

import (
	"fmt"
	"os"
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
