package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

const (
	// runtimeRetry is the pause after a question that containerd did not answer.
	runtimeRetry = time.Second
	// runtimeTimeout is how long an answer may take.
	runtimeTimeout = 5 * time.Second
)

// runningContainers asks the container runtime for the IDs of all containers that run.
type runningContainers func(ctx context.Context) (map[string]bool, error)

// followPods waits until the API shows none of this node's pods as it was before the node's start, and ends then: what
// the kubelet tells from then on is true at any time. A pod's status is what its kubelet said last, so after a stop it is
// that of containers that ended with the node: running and ready. Who waits for that pod would be content at once, and
// Services would send requests there.
//
// The containers in question are found once. None of them will ever run again, so that the end comes however many pods
// start and end meanwhile.
func (c *contract) followPods(ctx context.Context, client kubernetes.Interface, running runningContainers) {
	if !c.wait(ctx, c.kubelet, nodeapi.ConditionPods) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pods, synced, changed := watchPods(ctx, client, c.node.Node)
	select {
	case <-synced:
	case <-ctx.Done():
		return
	}
	said := map[string]bool{}
	for _, pod := range pods() {
		for _, id := range saidToRun(pod) {
			said[id] = true
		}
	}
	ended, err := endedContainers(ctx, said, running)
	for err != nil {
		c.set(nodeapi.ConditionPods, "containerd does not say which containers run: "+err.Error())
		select {
		case <-time.After(runtimeRetry):
		case <-ctx.Done():
			return
		}
		ended, err = endedContainers(ctx, said, running)
	}
	for {
		outdated := podsWith(ended, pods())
		c.set(nodeapi.ConditionPods, untold(outdated))
		if len(outdated) == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// endedContainers are those of some containers that do not run.
func endedContainers(ctx context.Context, said map[string]bool, running runningContainers) (map[string]bool, error) {
	if len(said) == 0 {
		return nil, nil
	}
	run, err := running(ctx)
	if err != nil {
		return nil, err
	}
	ended := map[string]bool{}
	for id := range said {
		if !run[id] {
			ended[id] = true
		}
	}
	return ended, nil
}

// watchPods keeps a list of a node's pods until ctx ends. synced is closed when it is whole; changed has something in it when
// the list has changed since changed was last read.
func watchPods(ctx context.Context, client kubernetes.Interface, node string) (pods func() []*corev1.Pod, synced, changed <-chan struct{}) {
	news := make(chan struct{}, 1)
	tell := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	api := client.CoreV1().Pods(metav1.NamespaceAll)
	ofNode := fields.OneTermEqualSelector("spec.nodeName", node).String()
	lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = ofNode
			return api.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = ofNode
			return api.Watch(ctx, options)
		},
	}, client)
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lw, ObjectType: &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { tell() },
			UpdateFunc: func(any, any) { tell() },
			DeleteFunc: func(any) { tell() },
		},
	})
	go controller.RunWithContext(ctx)
	list := func() []*corev1.Pod {
		var out []*corev1.Pod
		for _, o := range store.List() {
			out = append(out, o.(*corev1.Pod))
		}
		return out
	}
	return list, controller.HasSyncedChecker().Done(), news
}

// podsWith are the names of pods that are said to run one of some containers.
func podsWith(containers map[string]bool, pods []*corev1.Pod) []string {
	var names []string
	for _, pod := range pods {
		if slices.ContainsFunc(saidToRun(pod), func(id string) bool { return containers[id] }) {
			names = append(names, pod.Namespace+"/"+pod.Name)
		}
	}
	slices.Sort(names)
	return names
}

// saidToRun are the IDs of a pod's containers that run by its status; none of a pod that has ended.
func saidToRun(pod *corev1.Pod) []string {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return nil
	}
	var ids []string
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for _, s := range list {
			if s.State.Running == nil {
				continue
			}
			_, id, _ := strings.Cut(s.ContainerID, "://") // the name of the runtime comes before
			ids = append(ids, id)
		}
	}
	return ids
}

// untold says that pods are shown as they were, "" if there is none.
func untold(pods []string) string {
	switch len(pods) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("the kubelet has not told yet how pod %s is since the node started", pods[0])
	}
	return fmt.Sprintf("the kubelet has not told yet how %d pods are since the node started, %s among them", len(pods), pods[0])
}

// askRuntime asks the node's containerd over CRI.
func askRuntime(ctx context.Context) (map[string]bool, error) {
	conn, err := grpc.NewClient("unix://"+nodeapi.ContainerdSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	list, err := runtimeapi.NewRuntimeServiceClient(conn).ListContainers(ctx, &runtimeapi.ListContainersRequest{
		Filter: &runtimeapi.ContainerFilter{State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING}},
	})
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, c := range list.Containers {
		ids[c.Id] = true
	}
	return ids, nil
}
