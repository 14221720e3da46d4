//go:build e2e

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// seccompReport is what `testbox seccomp` prints.
type seccompReport struct {
	Mode    int               `json:"mode"`
	Filters int               `json:"filters"`
	Calls   map[string]string `json:"calls"`
}

func TestSeccomp(t *testing.T) {
	c := Shared(t, "The seccomp profile RuntimeDefault really filters what a pod may ask of the kernel")
	report := func(profile corev1.SeccompProfileType) (r seccompReport) {
		pod := c.NewPod("seccomp-"+slug(string(profile)), "seccomp")
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: profile}}
		c.Must(json.Unmarshal([]byte(c.Output(pod)), &r), "read the report")
		return r
	}
	free, filtered := report(corev1.SeccompProfileTypeUnconfined), report(corev1.SeccompProfileTypeRuntimeDefault)
	c.Logf("unconfined: %+v", free)
	c.Logf("filtered:   %+v", filtered)
	if filtered.Mode != 2 || filtered.Filters != free.Filters+1 {
		t.Error("RuntimeDefault installs no filter")
	}
	stopped := 0
	for call, result := range free.Calls {
		if result == "EPERM" || result == "ENOSYS" {
			continue // the kernel itself has no such call, or somebody else filters it
		}
		if filtered.Calls[call] != "EPERM" {
			t.Errorf("%s: %s passes the filter, with %s", call, filtered.Calls[call], result)
			continue
		}
		stopped++
	}
	if stopped == 0 {
		t.Error("this machine has no call that shows a difference")
	}
}

func TestUserNamespace(t *testing.T) {
	c := Shared(t, "A pod with a user namespace of its own (hostUsers: false) is root there, and nobody outside")
	node, err := c.Client().CoreV1().Nodes().Get(c.Context(), c.Node(), metav1.GetOptions{})
	c.Must(err, "get the node")
	if !slices.ContainsFunc(node.Status.RuntimeHandlers, func(h corev1.NodeRuntimeHandler) bool {
		return h.Features != nil && h.Features.UserNamespaces != nil && *h.Features.UserNamespaces
	}) {
		t.Skip("the node says that its kernel has none for pods")
	}
	pod := c.NewPod("user-namespace", "cat", "/proc/self/uid_map")
	pod.Spec.HostUsers = new(false)
	fields := strings.Fields(c.Output(pod))
	if len(fields) != 3 || fields[0] != "0" || fields[1] == "0" || fields[2] != "65536" {
		t.Errorf("users are mapped as %q", fields)
	}
}

func TestPodPrivileges(t *testing.T) {
	c := Shared(t, "Pods get the privileges they ask for, and no others")
	status := func(name string, change func(*corev1.PodSpec)) string {
		pod := c.NewPod(name, "cat", "/proc/self/status")
		change(&pod.Spec)
		return c.Output(pod)
	}
	c.Step("by default: upstream's fourteen capabilities")
	if got := statusField(status("default", func(*corev1.PodSpec) {}), "CapEff"); got != "00000000a80425fb" {
		t.Errorf("CapEff is %s", got)
	}
	c.Step("restricted: another user, no capability, no way to get one")
	got := status("restricted", func(spec *corev1.PodSpec) {
		spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsUser: new(int64(1234)), RunAsGroup: new(int64(2345)), FSGroup: new(int64(3456)), RunAsNonRoot: new(true),
		}
		spec.Containers[0].SecurityContext = &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	})
	for field, want := range map[string]string{
		"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1",
		"Uid": "1234\t1234\t1234\t1234", "Gid": "2345\t2345\t2345\t2345",
	} {
		if value := statusField(got, field); value != want {
			t.Errorf("%s is %q, want %q", field, value, want)
		}
	}
	if groups := strings.Fields(statusField(got, "Groups")); strings.Join(groups, " ") != "2345 3456" {
		t.Errorf("groups: %v", groups)
	}
	c.Step("privileged: all that the node has")
	got = status("privileged", func(spec *corev1.PodSpec) {
		spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
	})
	if pod, node := statusField(got, "CapEff"), statusField(c.InNode("cat", "/proc/1/status"), "CapBnd"); pod != node {
		t.Errorf("CapEff is %s, the node's %s", pod, node)
	}
	c.Step("in the node's PID namespace: its processes are seen")
	pod := c.NewPod("host-pid", "cat", "/proc/1/comm")
	pod.Spec.HostPID = true
	if got := c.Output(pod); got != "skiff-node\n" {
		t.Errorf("process 1 is %q", got)
	}
	c.Step("a user who may not be root is not")
	pod = c.NewPod("not-root", "sleep")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true)}
	c.CreatePod(pod)
	c.Kubectl("wait", "pod/not-root", "--timeout="+eventually.String(),
		"--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError")
}
