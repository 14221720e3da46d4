// Package runtime is containerd as a node runs it: its configuration, and the component that PID 1 supervises.
package runtime

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// unusedPlugins are left out: each would take time at every start.
var unusedPlugins = []string{
	"io.containerd.differ.v1.erofs",
	"io.containerd.image-verifier.v1.bindir",
	"io.containerd.internal.v1.opt",
	"io.containerd.mount-handler.v1.erofs",
	"io.containerd.nri.v1.nri",
	"io.containerd.snapshotter.v1.blockfile",
	"io.containerd.snapshotter.v1.erofs",
	"io.containerd.snapshotter.v1.native",
	"io.containerd.tracing.processor.v1.otlp",
	"io.containerd.internal.v1.tracing",
}

// Config is containerd's configuration file, with patches laid over it in order. cgroupV2 is that of the host.
func Config(cgroupV2 bool, patches []string) (string, error) {
	return patch(ownConfig(cgroupV2), patches)
}

// ownConfig is the configuration without what the user adds.
func ownConfig(cgroupV2 bool) string {
	var disabled []string
	for _, p := range unusedPlugins {
		disabled = append(disabled, fmt.Sprintf("%q", p))
	}
	return fmt.Sprintf(`version = 3
root = %q
state = %q
disabled_plugins = [%s]

[grpc]
  address = %q

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = %q
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = %q

[plugins."io.containerd.cri.v1.runtime"]
  # Lowering a process's oom_score_adj takes CAP_SYS_RESOURCE, which a node does not have.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [%q]
    conf_dir = %q
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    # A node may not use all devices of the host. On cgroup v1 it could not give a pod more than it has, and a
    # privileged pod would not start; on v2 the kernel takes the intersection of both.
    privileged_without_host_devices = %t
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
`,
		nodeapi.ContainerdDir, filepath.Dir(nodeapi.ContainerdSocket), strings.Join(disabled, ", "),
		nodeapi.ContainerdSocket, nodeapi.PauseImage, RegistryDir, nodeapi.CNIBinDir, nodeapi.CNIConfigDir, !cgroupV2)
}
