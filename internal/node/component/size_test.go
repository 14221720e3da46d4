package component

import (
	"testing"

	cadvisorapi "github.com/google/cadvisor/lib/model"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
)

const hostMemory = 64 << 30

// hostMachine is a host as cAdvisor sees it from inside a node.
type hostMachine struct{ cadvisor.Interface }

func (hostMachine) MachineInfo(klog.Logger) (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{NumCores: 16, MemoryCapacity: hostMemory}, nil
}

func (hostMachine) ContainerInfoV2(string, cadvisorapi.RequestOptions) (map[string]cadvisorapi.ContainerInfo, error) {
	return map[string]cadvisorapi.ContainerInfo{"/": group(), "/kubepods": group()}, nil
}

func (hostMachine) GetRequestedContainersInfo(string, cadvisorapi.RequestOptions) (map[string]*cadvisorapi.ContainerInfo, error) {
	root, pods := group(), group()
	return map[string]*cadvisorapi.ContainerInfo{"/": &root, "/kubepods": &pods}, nil
}

func group() cadvisorapi.ContainerInfo {
	var info cadvisorapi.ContainerInfo
	info.Spec.HasMemory, info.Spec.Memory.Limit = true, hostMemory
	return info
}

// TestSizedMachine: the machine and its root group have the node's size, the groups below what they have.
func TestSizedMachine(t *testing.T) {
	for _, tc := range []struct {
		name       string
		machine    sizedMachine
		wantCores  int
		wantMemory uint64
	}{
		{"both", sizedMachine{cores: 2, memoryBytes: 2 << 30}, 2, 2 << 30},
		{"processors only", sizedMachine{cores: 2}, 2, hostMemory},
		{"memory only", sizedMachine{memoryBytes: 2 << 30}, 16, 2 << 30},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := tc.machine
			m.Interface = hostMachine{}
			info, err := m.MachineInfo(klog.Background())
			if err != nil || info.NumCores != tc.wantCores || info.MemoryCapacity != tc.wantMemory {
				t.Errorf("machine: %d cores, %d bytes, %v", info.NumCores, info.MemoryCapacity, err)
			}
			groups, err := m.ContainerInfoV2("/", cadvisorapi.RequestOptions{})
			if err != nil || groups["/"].Spec.Memory.Limit != tc.wantMemory || groups["/kubepods"].Spec.Memory.Limit != hostMemory {
				t.Errorf("groups: %v, %v", groups, err)
			}
			shown, err := m.GetRequestedContainersInfo("/", cadvisorapi.RequestOptions{})
			if err != nil || shown["/"].Spec.Memory.Limit != tc.wantMemory || shown["/kubepods"].Spec.Memory.Limit != hostMemory {
				t.Errorf("groups in metrics: %v, %v", shown, err)
			}
		})
	}
}

// TestReserveCPU adds to what the user keeps from pods.
func TestReserveCPU(t *testing.T) {
	s := &options.KubeletServer{}
	if err := reserveCPU(s, 500); err != nil || s.SystemReserved["cpu"] != "500m" {
		t.Errorf("%v, %v", s.SystemReserved, err)
	}
	s.SystemReserved["cpu"] = "0.25"
	if err := reserveCPU(s, 500); err != nil || s.SystemReserved["cpu"] != "750m" {
		t.Errorf("%v, %v", s.SystemReserved, err)
	}
	s.SystemReserved["cpu"] = "much"
	if err := reserveCPU(s, 500); err == nil {
		t.Error("a quantity that is none was accepted")
	}
}
