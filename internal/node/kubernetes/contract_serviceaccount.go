package kubernetes

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// followServiceAccount follows the default service account, which pods in namespace default run as.
func (c *contract) followServiceAccount(ctx context.Context, client kubernetes.Interface) {
	follow(ctx, client, "serviceaccounts", metav1.NamespaceDefault, "default", &corev1.ServiceAccount{}, func(o *corev1.ServiceAccount) {
		missing := ""
		if o == nil {
			missing = "the controller manager has not made the service account default/default yet"
		}
		c.set(nodeapi.ConditionServiceAccount, missing)
	})
}
