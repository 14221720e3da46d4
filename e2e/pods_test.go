//go:build e2e

package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodLifecycle(t *testing.T) {
	c := Shared(t, "Init containers, sidecars, hooks and ephemeral containers run when they should")
	c.Apply("pods/lifecycle.yaml", nil)

	c.Step("the init containers run before the main one, the sidecar beside it")
	pod := c.PodReady("app")
	if got := c.Kubectl("exec", "app", "--container=main", "--", "/testbox", "cat", "/work/first", "/work/hook"); got != "first\nhook\n" {
		t.Errorf("files of the init container and of the hook: %q", got)
	}
	for _, cs := range pod.Status.InitContainerStatuses {
		if ended := cs.State.Terminated != nil; ended == (cs.Name == "sidecar") {
			t.Errorf("init container %s: %+v", cs.Name, cs.State)
		}
	}
	if got := c.Kubectl("exec", "app", "--container=main", "--", "/testbox", "get", "http://localhost:8081/"); got == "" {
		t.Error("the sidecar does not answer in the pod's network")
	}

	c.Step("a pod with a sidecar ends with its main container")
	c.Ended("batch", corev1.PodSucceeded)

	c.Step("kubectl debug puts an ephemeral container beside the process, in its namespaces")
	c.Kubectl("debug", "app", "--image="+Image(2), "--container=look", "--target=main", "--image-pull-policy=Never", "--profile=general",
		"--", "/testbox", "cat", "/proc/1/cmdline")
	c.Kubectl("wait", "pod/app", "--timeout="+eventually.String(),
		"--for=jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0")
	if got := c.Kubectl("logs", "app", "--container=look"); !strings.HasPrefix(got, "/testbox\x00serve\x00") {
		t.Errorf("process 1 is %q", got)
	}
}

func TestPodResources(t *testing.T) {
	c := Shared(t, "Requests and limits count: against the node's capacity, and in the kernel")

	c.Step("the node's capacity is that of the machine, and most of it can be used")
	node, err := c.Client().CoreV1().Nodes().Get(t.Context(), c.Node(), metav1.GetOptions{})
	c.Must(err, "get the node")
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, corev1.ResourceEphemeralStorage} {
		capacity, allocatable := node.Status.Capacity[name], node.Status.Allocatable[name]
		if capacity.IsZero() || allocatable.IsZero() || allocatable.Cmp(capacity) > 0 {
			t.Errorf("%s: capacity %s, allocatable %s", name, &capacity, &allocatable)
		}
	}
	cpus := strings.TrimSpace(c.Docker("info", "--format", "{{.NCPU}}"))
	if got := node.Status.Capacity.Cpu().String(); got != cpus {
		t.Errorf("the node has %s CPUs, Docker %s", got, cpus)
	}

	c.Step("a pod that wants more than there is stays Pending, and says why")
	greedy := c.NewPod("greedy", "sleep")
	greedy.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1000")}
	c.CreatePod(greedy)
	c.Kubectl("wait", "pod/greedy", "--for=condition=PodScheduled=false", "--timeout="+eventually.String())
	if got := c.Kubectl("describe", "pod", "greedy"); !strings.Contains(got, "Insufficient cpu") {
		t.Error(got)
	}

	c.Step("a container that uses more memory than its limit is killed")
	fat := c.NewPod("fat", "memory", "200")
	fat.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	c.CreatePod(fat)
	if ended := c.Ended("fat", corev1.PodFailed).Status.ContainerStatuses[0].State.Terminated; ended.Reason != "OOMKilled" || ended.ExitCode != 137 {
		t.Errorf("it ended with %+v", ended)
	}

	c.Step("and one below it is not")
	slim := c.NewPod("slim", "memory", "20")
	slim.Spec.Containers[0].Resources.Limits = corev1.ResourceList{
		corev1.ResourceMemory: resource.MustParse("64Mi"), corev1.ResourceCPU: resource.MustParse("500m"),
	}
	c.CreatePod(slim)
	if pod := c.PodReady("slim"); pod.Status.QOSClass != corev1.PodQOSGuaranteed {
		t.Errorf("its class is %s", pod.Status.QOSClass)
	}
}

func TestPodVolumes(t *testing.T) {
	c := Shared(t, "Pods get scratch space on disk and in memory, and what they ask for of the node")
	pod := c.NewPod("volumes", "sleep")
	pod.Spec.Volumes = []corev1.Volume{
		{Name: "disk", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "memory", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
			Medium: corev1.StorageMediumMemory, SizeLimit: new(resource.MustParse("16Mi"))}}},
		{Name: "node", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{
			Path: "/var/lib/e2e-" + c.Namespace, Type: new(corev1.HostPathDirectoryOrCreate)}}},
	}
	for _, v := range pod.Spec.Volumes {
		pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: "/" + v.Name})
	}
	c.CreatePod(pod)
	c.PodReady("volumes")

	c.Step("all are writable, and the one in memory is a tmpfs of its size")
	for _, v := range pod.Spec.Volumes {
		c.Exec("volumes", "write", "/"+v.Name+"/file", v.Name)
		if got := c.Exec("volumes", "cat", "/"+v.Name+"/file"); got != v.Name+"\n" {
			t.Errorf("%s: read %q", v.Name, got)
		}
	}
	tmpfs := false
	for line := range strings.Lines(c.Exec("volumes", "cat", "/proc/self/mounts")) {
		tmpfs = tmpfs || strings.HasPrefix(line, "tmpfs /memory ") && strings.Contains(line, "size=16384k")
	}
	if !tmpfs {
		t.Error("/memory is not a tmpfs of 16 MiB")
	}
	c.Step("the host path is the node's")
	if got := c.InNode("cat", "/var/lib/e2e-"+c.Namespace+"/file"); got != "node\n" {
		t.Errorf("in the node: %q", got)
	}

	c.Step("a read-only root file system is one")
	locked := c.NewPod("locked", "write", "/file", "text")
	locked.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: new(true)}
	c.CreatePod(locked)
	c.Ended("locked", corev1.PodFailed)
	if got := c.Kubectl("logs", "locked"); !strings.Contains(got, "read-only file system") {
		t.Error(got)
	}
}
