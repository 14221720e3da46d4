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

// runtimeRetry is the pause after a question that containerd did not answer.
const runtimeRetry = time.Second

// runningContainers asks the container runtime for the IDs of all containers that run.
type runningContainers func(ctx context.Context) (map[string]bool, error)

// followPods waits until the API shows none of this node's pods as it was before the node's start, and ends then: what
// the kubelet tells from then on is true at any time. A pod's status is what its kubelet said last, so after a stop it is
// that of containers that ended with the node: running and ready. Who waits for that pod would be content at once, and
// Services would send requests there.
func (c *contract) followPods(ctx context.Context, client kubernetes.Interface, running runningContainers) {
	select {
	case <-c.kubelet.ready:
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pods, synced, changed := watchPods(ctx, client, c.node.Node)
	select {
	case <-synced:
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		var retry <-chan time.Time
		outdated, err := outdatedPods(ctx, pods(), running)
		switch {
		case err != nil:
			c.set(nodeapi.ConditionPods, "containerd does not say which containers run: "+err.Error())
			retry = time.After(runtimeRetry)
		case len(outdated) > 0:
			c.set(nodeapi.ConditionPods, untold(outdated))
		default:
			c.set(nodeapi.ConditionPods, "")
			return
		}
		select {
		case <-changed:
		case <-retry:
		case <-ctx.Done():
		}
	}
}

// watchPods keeps a list of a node's pods until ctx ends. synced is closed when it is whole; changed has something in it when
// the list has changed since changed was last read.
func watchPods(ctx context.Context, client kubernetes.Interface, node string) (pods func() []any, synced, changed <-chan struct{}) {
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
	return store.List, controller.HasSyncedChecker().Done(), news
}

// outdatedPods are the names of pods that are said to have a container running that does not.
func outdatedPods(ctx context.Context, pods []any, running runningContainers) ([]string, error) {
	said := map[string][]string{} // the containers that a pod is said to run
	for _, o := range pods {
		pod := o.(*corev1.Pod)
		if ids := saidToRun(pod); len(ids) > 0 {
			said[pod.Namespace+"/"+pod.Name] = ids
		}
	}
	if len(said) == 0 {
		return nil, nil
	}
	runs, err := running(ctx)
	if err != nil {
		return nil, err
	}
	var outdated []string
	for name, ids := range said {
		if slices.ContainsFunc(ids, func(id string) bool { return !runs[id] }) {
			outdated = append(outdated, name)
		}
	}
	slices.Sort(outdated)
	return outdated, nil
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

// untold says that pods are shown as they were.
func untold(pods []string) string {
	if len(pods) == 1 {
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
