package buildflags

import (
	"fmt"
	"strings"
)

// KubernetesModule is the module whose version is the cluster's.
const KubernetesModule = "k8s.io/kubernetes"

// Kubernetes returns the linker flags that tell upstream code its version, as upstream's own build does: without
// them clients would see v0.0.0-master. The commit is left empty, because a module does not tell it.
func Kubernetes(m ModuleInfo) ([]string, error) {
	parts := strings.SplitN(strings.TrimPrefix(m.Version, "v"), ".", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%s has version %q, want vMAJOR.MINOR.PATCH", m.Path, m.Version)
	}
	built := m.Time
	if built == "" {
		built = "1970-01-01T00:00:00Z"
	}
	values := []string{
		"gitVersion=" + m.Version,
		"gitMajor=" + parts[0],
		"gitMinor=" + parts[1],
		"gitCommit=",
		"gitTreeState=clean",
		"buildDate=" + built,
	}
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, value := range values {
			flags = append(flags, Set(pkg+"."+value)...)
		}
	}
	return flags, nil
}
