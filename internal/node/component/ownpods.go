package component

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// FollowPods calls changed for every change of a pod of this node, until ctx ends. It asks for the pods' metadata only.
func FollowPods(ctx context.Context, n *Node, changed func()) error {
	config, err := clientcmd.BuildConfigFromFlags("", n.Kubeconfig(NameKubelet))
	if err != nil {
		return err
	}
	config.UserAgent = "skiff-node"
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	pods := metadatainformer.NewFilteredMetadataInformer(client, corev1.SchemeGroupVersion.WithResource("pods"), metav1.NamespaceAll, 0, nil,
		func(options *metav1.ListOptions) {
			options.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", n.Node).String()
		}).Informer()
	if _, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		UpdateFunc: func(any, any) { changed() },
		DeleteFunc: func(any) { changed() },
	}); err != nil {
		return err
	}
	pods.RunWithContext(ctx)
	return nil
}
