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

	"github.com/skiff-cluster/skiff/internal/nodeapi"
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

// ContainerInfoV2 implements cadvisor.Interface. Eviction is decided by what the root group has left of its limit.
func (m sizedMachine) ContainerInfoV2(name string, options cadvisorapi.RequestOptions) (map[string]cadvisorapi.ContainerInfo, error) {
	infos, err := m.Interface.ContainerInfoV2(name, options)
	if root, ok := infos[rootGroup]; ok {
		m.limit(&root)
		infos[rootGroup] = root
	}
	return infos, err
}

// GetRequestedContainersInfo implements cadvisor.Interface: what metrics show.
func (m sizedMachine) GetRequestedContainersInfo(name string, options cadvisorapi.RequestOptions) (map[string]*cadvisorapi.ContainerInfo, error) {
	infos, err := m.Interface.GetRequestedContainersInfo(name, options)
	if root := infos[rootGroup]; root != nil {
		limited := *root
		m.limit(&limited)
		infos[rootGroup] = &limited
	}
	return infos, err
}

// rootGroup is the control group of the node's container, in which all groups of pods are. What runs the node itself is
// in it as well.
const rootGroup = "/"

// limit gives the root group the node's limit: cAdvisor takes the host's memory for that of any root.
func (m sizedMachine) limit(root *cadvisorapi.ContainerInfo) {
	if m.memoryBytes > 0 && root.Spec.HasMemory {
		root.Spec.Memory.Limit = uint64(m.memoryBytes)
	}
}

// ownMemory is how much of a node's memory pods cannot have, because Kubernetes and containerd run on it as well: their
// peak, as measured, but not more than half of a small node. Pods that want more than the rest are killed before the
// node is short of memory.
func ownMemory(n *Node) int64 {
	peak := int64(128 << 20)
	if n.Role == nodeapi.RoleServer {
		peak = 400 << 20
	}
	return min(peak, n.MemoryBytes/2)
}

// evictionMemory is how much memory must be left so that no pod is evicted: upstream's 100Mi, or a twentieth of a small
// node, in whole MiB.
func evictionMemory(n *Node) int64 { return min(100<<20, n.MemoryBytes/20>>20<<20) }

// limitSize makes a kubelet believe in a machine of the node's size. A machine has whole processors, so that of half
// a processor has one, of which half is not allocatable.
func limitSize(ctx context.Context, n *Node, s *options.KubeletServer, deps *kubelet.Dependencies) error {
	if n.CPUMillis == 0 && n.MemoryBytes == 0 {
		return nil
	}
	cores := int((n.CPUMillis + 999) / 1000)
	if rest := int64(cores)*1000 - n.CPUMillis; n.CPUMillis > 0 && rest > 0 {
		if err := reserveCPU(s, rest); err != nil {
			return err
		}
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

// reserveCPU keeps so many thousandths of a processor from pods, besides what the user keeps from them.
func reserveCPU(s *options.KubeletServer, millis int64) error {
	reserved := resource.NewMilliQuantity(millis, resource.DecimalSI)
	if given, ok := s.SystemReserved["cpu"]; ok {
		also, err := resource.ParseQuantity(given)
		if err != nil {
			return fmt.Errorf("system-reserved: cpu=%s: %w", given, err)
		}
		reserved.Add(also)
	}
	if s.SystemReserved == nil {
		s.SystemReserved = map[string]string{}
	}
	s.SystemReserved["cpu"] = reserved.String()
	return nil
}
