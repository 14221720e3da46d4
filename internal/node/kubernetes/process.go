package kubernetes

import (
	"encoding/json"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"

	"github.com/skiff-cluster/skiff/internal/node/component"
)

// setUpProcess does once what each upstream command would do for itself.
func setUpProcess() error {
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	return compatibility.DefaultComponentGlobalsRegistry.Set()
}

// printVersions writes the versions of what this binary contains as JSON.
func printVersions(w io.Writer) error {
	versions := component.Versions()
	versions["go"] = runtime.Version()
	versions["kubernetes"] = version.Get().GitVersion
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(versions)
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
