package kubernetes

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

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

// TestOutdatedPods: a pod's status is of another time when a container runs by it, and not by the runtime.
func TestOutdatedPods(t *testing.T) {
	waits, ended, sidecar, debugged := podThat("waits", "gone"), podThat("ended", "gone"), podThat("sidecar", "a"), podThat("debugged", "a")
	waits.Status.ContainerStatuses[1].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	ended.Status.Phase = corev1.PodFailed
	running := corev1.ContainerStatus{ContainerID: "containerd://gone", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	sidecar.Status.InitContainerStatuses = []corev1.ContainerStatus{running}
	debugged.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{running}
	for _, tc := range []struct {
		what string
		pods []any
		want []string
	}{
		{"no pod", nil, nil},
		{"one that runs", []any{podThat("runs", "a")}, nil},
		{"one that ran", []any{podThat("ran", "gone")}, []string{"default/ran"}},
		{"those that nobody says to run", []any{waits, ended, &corev1.Pod{}}, nil},
		{"all kinds of containers", []any{sidecar, debugged, podThat("runs", "b")}, []string{"default/debugged", "default/sidecar"}},
	} {
		got, err := outdatedPods(t.Context(), tc.pods, func(context.Context) (map[string]bool, error) { return map[string]bool{"a": true, "b": true}, nil })
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, %v, want %q", tc.what, got, err, tc.want)
		}
	}
}

// TestFollowPods waits until the kubelet has told of each pod, asks the runtime again if it does not answer, and then
// does not follow pods any longer.
func TestFollowPods(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	told := make(chan nodeapi.Condition, 10)
	c := newContract(&component.Node{Config: nodeapi.Config{Role: nodeapi.RoleAgent, Node: "n"}}, func(is nodeapi.Condition) {
		if is.Name == nodeapi.ConditionPods {
			told <- is
		}
	})
	next := func(want string) {
		t.Helper()
		select {
		case is := <-told:
			if is.Message != want || is.Met != (want == "") {
				t.Fatalf("told %+v, want %q", is, want)
			}
		case <-ctx.Done():
			t.Fatalf("nothing was told; want %q", want)
		}
	}
	next("the API server does not answer yet")

	client := fake.NewClientset(podThat("one", "gone"), podThat("two", "gone"))
	failures := 1
	running := func(context.Context) (map[string]bool, error) {
		if failures--; failures >= 0 {
			return nil, errors.New("out of order")
		}
		return map[string]bool{"new": true}, nil
	}
	var following sync.WaitGroup
	following.Go(func() { c.followPods(ctx, client, running) })
	c.Component(nodeapi.ComponentStatus{Name: component.NameKubelet, State: nodeapi.StateReady})
	next("containerd does not say which containers run: out of order")
	next("the kubelet has not told yet how 2 pods are since the node started, default/one among them")
	for _, step := range []struct{ name, want string }{
		{"one", "the kubelet has not told yet how pod default/two is since the node started"}, {"two", ""},
	} {
		if _, err := client.CoreV1().Pods("default").UpdateStatus(ctx, podThat(step.name, "new"), metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		next(step.want)
	}
	following.Wait()
	if ctx.Err() != nil {
		t.Error("it goes on though all is told")
	}
}
