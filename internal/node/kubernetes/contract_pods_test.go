package kubernetes

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// podThat is a pod with a container that runs by its status.
func podThat(name, runs string) *corev1.Pod {
	state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PodSpec{NodeName: "n"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "ended", ContainerID: "containerd://gone", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}},
			{Name: "app", ContainerID: "containerd://" + runs, State: state},
		}},
	}
}

// TestSaidToRun: containers of all kinds run by a pod's status, and none of a pod that has ended.
func TestSaidToRun(t *testing.T) {
	waits, ended, more := podThat("waits", "a"), podThat("ended", "a"), podThat("more", "a")
	waits.Status.ContainerStatuses[1].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	ended.Status.Phase = corev1.PodFailed
	running := func(id string) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{ContainerID: "containerd://" + id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}
	more.Status.InitContainerStatuses, more.Status.EphemeralContainerStatuses = running("sidecar"), running("debugger")
	for _, tc := range []struct {
		pod  *corev1.Pod
		want []string
	}{
		{&corev1.Pod{}, nil}, {podThat("runs", "a"), []string{"a"}}, {waits, nil}, {ended, nil}, {more, []string{"sidecar", "a", "debugger"}},
	} {
		if got := saidToRun(tc.pod); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.pod.Name, got, tc.want)
		}
	}
}

// TestFollowPods waits until the kubelet has told of each pod that was shown as before, asks the runtime again if it does
// not answer, and does not follow pods any longer than that.
func TestFollowPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		c := newContract(&component.Node{Config: nodeapi.Config{Role: nodeapi.RoleAgent, Node: "n"}}, func(is nodeapi.Condition) {
			if is.Name == nodeapi.ConditionPods {
				told = append(told, is.Message)
			}
		})
		client := fake.NewClientset(podThat("runs", "a"), podThat("one", "gone"), podThat("two", "gone-2"))
		var asked []string
		note := func(verb, fields string) { asked = append(asked, verb+" "+fields) }
		client.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
			note("list", action.(clienttesting.ListAction).GetListRestrictions().Fields.String())
			return false, nil, nil
		})
		client.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) {
			note("watch", action.(clienttesting.WatchAction).GetWatchRestrictions().Fields.String())
			return false, nil, nil
		})
		failures := 1
		running := func(context.Context) (map[string]bool, error) {
			if failures--; failures >= 0 {
				return nil, errors.New("out of order")
			}
			return map[string]bool{"a": true}, nil
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.followPods(t.Context(), client, running)
		}()
		synctest.Wait()
		c.Component(nodeapi.ComponentStatus{Name: component.NameKubelet, State: nodeapi.StateReady})
		time.Sleep(2 * runtimeRetry)
		for _, pod := range []*corev1.Pod{
			podThat("one", "new"),  // has told
			podThat("runs", "b"),   // was as it is, and goes on to live
			podThat("two", "new2"), // has told
		} {
			if _, err := client.CoreV1().Pods("default").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		select {
		case <-ended:
		default:
			t.Error("it goes on though all is told")
		}
		if want := []string{
			"the API server does not answer yet", "not ready yet: kubelet", "containerd does not say which containers run: out of order",
			"the kubelet has not told yet how 2 pods are since the node started, default/one among them",
			"the kubelet has not told yet how pod default/two is since the node started", "",
		}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if want := []string{"list spec.nodeName=n", "watch spec.nodeName=n"}; !slices.Equal(asked, want) {
			t.Errorf("asked the API for %q, want %q", asked, want)
		}
	})
}

// TestFollowNoPods does not ask the runtime where no pod is said to run: so it is when a node is made.
func TestFollowNoPods(t *testing.T) {
	c := newContract(&component.Node{Config: nodeapi.Config{Role: nodeapi.RoleAgent, Node: "n"}}, func(nodeapi.Condition) {})
	c.Component(nodeapi.ComponentStatus{Name: component.NameKubelet, State: nodeapi.StateReady})
	c.followPods(t.Context(), fake.NewClientset(), func(context.Context) (map[string]bool, error) {
		t.Error("the runtime was asked")
		return nil, nil
	})
	if is := c.last[nodeapi.ConditionPods]; !is.Met {
		t.Errorf("told %+v", is)
	}
}
