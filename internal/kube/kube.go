// Package kube asks a cluster's own API for what the command line needs of it, with upstream's client code.
package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/kubectl/pkg/drain"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

var _ cluster.Kube = Kube{}

// Kube implements cluster.Kube.
type Kube struct{}

// requestTimeout is how long one request may take: the server may be the one that has just gone.
const requestTimeout = 15 * time.Second

// client is a client with the administrator's rights.
func client(creds *cluster.Credentials) (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(&rest.Config{
		Host:            creds.Server,
		TLSClientConfig: rest.TLSClientConfig{CAData: creds.CA, CertData: creds.ClientCert, KeyData: creds.ClientKey},
		UserAgent:       "skiff",
		Timeout:         requestTimeout,
	})
}

// drainTimeout is how long pods may take to leave a node.
const drainTimeout = 2 * time.Minute

// Drain implements cluster.Kube.
func (Kube) Drain(ctx context.Context, creds *cluster.Credentials, node string, progress func(string)) (cordoned bool, err error) {
	return drainNode(ctx, creds, node, progress, nil)
}

// Vacate implements cluster.Kube.
func (Kube) Vacate(ctx context.Context, creds *cluster.Credentials, node string, progress func(string)) (cordoned bool, err error) {
	return drainNode(ctx, creds, node, progress, func(pod corev1.Pod) drain.PodDeleteStatus {
		if metav1.GetControllerOf(&pod) == nil {
			return drain.MakePodDeleteStatusSkip()
		}
		return drain.MakePodDeleteStatusOkay()
	})
}

// drainNode evicts the pods of a node that filter, if there is one, does not leave there. cordoned is true if it was this
// that kept new pods away, as far as one can know.
func drainNode(ctx context.Context, creds *cluster.Credentials, node string, progress func(string), filter drain.PodFilter) (cordoned bool, err error) {
	c, err := client(creds)
	if err != nil {
		return false, err
	}
	object, err := c.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find node %s: %w", node, err)
	}
	_, ours := object.Annotations[annotationCordoned] // of a change that was interrupted
	cordoned = ours || !object.Spec.Unschedulable
	helper := &drain.Helper{
		Ctx: ctx, Client: c, Out: io.Discard, ErrOut: io.Discard,
		// What no controller makes again and what was only in the node's memory is lost with the node in any case.
		Force: true, DeleteEmptyDirData: true, IgnoreAllDaemonSets: true,
		GracePeriodSeconds: -1, Timeout: drainTimeout, SkipWaitForDeleteTimeoutSeconds: 1,
		OnPodDeletionOrEvictionStarted: func(pod *corev1.Pod, _ bool) { progress(pod.Namespace + "/" + pod.Name) },
	}
	if filter != nil {
		helper.AdditionalFilters = []drain.PodFilter{filter}
	}
	if !object.Spec.Unschedulable {
		if err := patchNode(ctx, c, node, cordon); err != nil {
			return cordoned, fmt.Errorf("keep new pods away from node %s: %w", node, err)
		}
	}
	if err := drain.RunNodeDrain(helper, node); err != nil {
		return cordoned, fmt.Errorf("move the pods of node %s: %w", node, err)
	}
	return cordoned, nil
}

// Uncordon implements cluster.Kube.
func (Kube) Uncordon(ctx context.Context, creds *cluster.Credentials, node string) error {
	c, err := client(creds)
	if err != nil {
		return err
	}
	return untilReached(ctx, func() error { return patchNode(ctx, c, node, uncordon) })
}

// Interrupted implements cluster.Kube.
func (Kube) Interrupted(ctx context.Context, creds *cluster.Credentials) (nodes []string, err error) {
	c, err := client(creds)
	if err != nil {
		return nil, err
	}
	list, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, n := range list.Items {
		if _, ours := n.Annotations[annotationCordoned]; ours && n.Spec.Unschedulable {
			nodes = append(nodes, n.Name)
		}
	}
	return nodes, nil
}

// annotationCordoned marks a node that was cordoned by a change of the cluster, not by the user: whoever comes after a
// change that was killed can tell.
const annotationCordoned = "skiff.dev/cordoned"

// Patches of a node.
const (
	cordon   = `{"metadata":{"annotations":{"` + annotationCordoned + `":"true"}},"spec":{"unschedulable":true}}`
	uncordon = `{"metadata":{"annotations":{"` + annotationCordoned + `":null}},"spec":{"unschedulable":false}}`
)

func patchNode(ctx context.Context, c kubernetes.Interface, node, patch string) error {
	_, err := c.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// ChangeNode implements cluster.Kube.
func (Kube) ChangeNode(ctx context.Context, creds *cluster.Credentials, node string, change cluster.NodeChange) error {
	c, err := client(creds)
	if err != nil {
		return err
	}
	nodes := c.CoreV1().Nodes()
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		object, err := nodes.Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, name := range change.RemoveLabels {
			delete(object.Labels, name)
		}
		if object.Labels == nil {
			object.Labels = map[string]string{}
		}
		maps.Copy(object.Labels, change.SetLabels)
		for _, t := range slices.Concat(change.RemoveTaints, change.SetTaints) {
			object.Spec.Taints = slices.DeleteFunc(object.Spec.Taints, func(o corev1.Taint) bool { return o.Key == t.Key && string(o.Effect) == t.Effect })
		}
		for _, t := range change.SetTaints {
			object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
		}
		_, err = nodes.Update(ctx, object, metav1.UpdateOptions{})
		return err
	})
}

// DeleteNode implements cluster.Kube.
func (Kube) DeleteNode(ctx context.Context, creds *cluster.Credentials, node string) error {
	c, err := client(creds)
	if err != nil {
		return err
	}
	err = untilReached(ctx, func() error { return c.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{}) })
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

const (
	// reachTimeout is how long a request is repeated that did not get through.
	reachTimeout = 5 * time.Second
	// reachPause is the pause between two attempts: nothing tells when another server has taken over.
	reachPause = 100 * time.Millisecond
)

// untilReached does something that may be done twice, again until the API answers, be it with a refusal. When a server
// has just gone, the connections that went to it break, and client-go repeats nothing but reads.
func untilReached(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	for {
		err := do()
		if status := apierrors.APIStatus(nil); err == nil || errors.As(err, &status) {
			return err
		}
		select {
		case <-time.After(reachPause):
		case <-ctx.Done():
			return err
		}
	}
}
