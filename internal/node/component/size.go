package component

import (
	"context"
	"fmt"

	cadvisorapi "github.com/google/cadvisor/lib/model"
	"k8s.io/apimachinery/pkg/api/resource"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
	"k8s.io/kubernetes/pkg/kubelet/cm"
)

// sizedMachine is the host as a node of a given size sees it. The size itself is enforced by the engine, on the node's
// container: what is here makes the kubelet report it, and schedule and evict by it.
type sizedMachine struct {
	cadvisor.Interface
	cores       int   // 0: the host's
	memoryBytes int64 // 0: the host's
}

// MachineInfo implements cadvisor.Interface.
func (m sizedMachine) MachineInfo(logger klog.Logger) (*cadvisorapi.MachineInfo, error) {
	host, err := m.Interface.MachineInfo(logger)
	if err != nil {
		return nil, err
	}
	sized := *host
	if m.cores > 0 {
		sized.NumCores = m.cores
	}
	if m.memoryBytes > 0 {
		sized.MemoryCapacity = uint64(m.memoryBytes)
	}
	return &sized, nil
}

// limitSize makes a kubelet believe in a machine of the node's size. A machine has whole processors, so that of half
// a processor has one, of which half is not allocatable.
func limitSize(ctx context.Context, n *Node, s *options.KubeletServer, deps *kubelet.Dependencies) error {
	if n.CPUMillis == 0 && n.MemoryBytes == 0 {
		return nil
	}
	cores := int((n.CPUMillis + 999) / 1000)
	if rest := int64(cores)*1000 - n.CPUMillis; n.CPUMillis > 0 && rest > 0 {
		if s.SystemReserved == nil {
			s.SystemReserved = map[string]string{}
		}
		s.SystemReserved["cpu"] = resource.NewMilliQuantity(rest, resource.DecimalSI).String()
	}
	// As the kubelet makes it itself if it is not given one.
	legacy := cadvisor.UsingLegacyCadvisorStats(s.ContainerRuntimeEndpoint)
	host, err := cadvisor.New(klog.FromContext(ctx), cadvisor.NewImageFsInfoProvider(s.ContainerRuntimeEndpoint), s.RootDirectory,
		[]string{cm.NodeAllocatableRoot(s.CgroupRoot, s.CgroupsPerQOS, s.CgroupDriver)}, legacy, s.LocalStorageCapacityIsolation,
		utilfeature.DefaultFeatureGate.Enabled(features.PodAndContainerStatsFromCRI))
	if err != nil {
		return fmt.Errorf("watch the machine: %w", err)
	}
	deps.CAdvisorInterface = sizedMachine{Interface: host, cores: cores, memoryBytes: n.MemoryBytes}
	return nil
}
