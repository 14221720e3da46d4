package kubernetes

import (
	"context"
	"fmt"
	"reflect"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/skiff-cluster/skiff/internal/node/component"
)

// awaitSettled waits until the API server and the controllers have written what they write in each new
// cluster. Each change of the datastore is a reason to look again.
func awaitSettled(ctx context.Context, datastore *embed.Etcd, node *component.Node) error {
	config, err := clientcmd.BuildConfigFromFlags("", node.Kubeconfig("admin"))
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	aggregated, err := aggregator.NewForConfig(config)
	if err != nil {
		return err
	}
	changes := datastore.Server.KV().NewWatchStream()
	defer changes.Close()
	if _, err := changes.Watch(ctx, clientv3.AutoWatchID, []byte("/"), []byte("0"), 0); err != nil {
		return err
	}
	for {
		missing, err := unsettled(ctx, client, aggregated)
		if err != nil {
			return err
		}
		if missing == "" {
			return nil
		}
		select {
		case <-changes.Chan():
		case <-ctx.Done():
			return fmt.Errorf("waited for %s", missing)
		}
	}
}

// unsettled names something that is still to be written, "" if nothing is.
func unsettled(ctx context.Context, client kubernetes.Interface, aggregated aggregator.Interface) (string, error) {
	for _, check := range []func(context.Context, kubernetes.Interface, aggregator.Interface) (string, error){
		missingInNamespace, unaggregatedRole, unjudgedFlowSchema, unavailableAPI,
	} {
		if missing, err := check(ctx, client, aggregated); missing != "" || err != nil {
			return missing, err
		}
	}
	return "", nil
}

// systemNamespaces are those that the API server makes.
var systemNamespaces = []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease}

// missingInNamespace finds a namespace without what the controllers give to each: a service account, and the
// cluster's CA. The latter is never part of a seed, so that it also tells that the controllers run. They all
// have service accounts of their own by then: all are built before the first one runs.
func missingInNamespace(ctx context.Context, client kubernetes.Interface, _ aggregator.Interface) (string, error) {
	for _, namespace := range systemNamespaces {
		core := client.CoreV1()
		_, err := core.ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			_, err = core.ConfigMaps(namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		}
		if apierrors.IsNotFound(err) {
			return fmt.Sprintf("what the controllers give to the namespace %s: %v", namespace, err), nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// unaggregatedRole finds a cluster role that lacks rules of those it is made of.
func unaggregatedRole(ctx context.Context, client kubernetes.Interface, _ aggregator.Interface) (string, error) {
	list, err := client.RbacV1().ClusterRoles().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for i := range list.Items {
		role := &list.Items[i]
		if role.AggregationRule == nil {
			continue
		}
		for _, selector := range role.AggregationRule.ClusterRoleSelectors {
			selects, err := metav1.LabelSelectorAsSelector(&selector)
			if err != nil {
				return "", err
			}
			for _, part := range list.Items {
				if part.Name != role.Name && selects.Matches(labels.Set(part.Labels)) && !containsRules(role.Rules, part.Rules) {
					return fmt.Sprintf("the rules of %s in the cluster role %s", part.Name, role.Name), nil
				}
			}
		}
	}
	return "", nil
}

func containsRules(all, some []rbacv1.PolicyRule) bool {
	for _, rule := range some {
		found := false
		for i := range all {
			found = found || reflect.DeepEqual(all[i], rule)
		}
		if !found {
			return false
		}
	}
	return true
}

// unjudgedFlowSchema finds a flow schema of which it is not said whether its priority level exists.
func unjudgedFlowSchema(ctx context.Context, client kubernetes.Interface, _ aggregator.Interface) (string, error) {
	list, err := client.FlowcontrolV1().FlowSchemas().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, schema := range list.Items {
		judged := false
		for _, c := range schema.Status.Conditions {
			judged = judged || c.Type == flowcontrolv1.FlowSchemaConditionDangling && c.Status == flowcontrolv1.ConditionFalse
		}
		if !judged {
			return "the status of the flow schema " + schema.Name, nil
		}
	}
	return "", nil
}

func unavailableAPI(ctx context.Context, _ kubernetes.Interface, aggregated aggregator.Interface) (string, error) {
	list, err := aggregated.ApiregistrationV1().APIServices().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, api := range list.Items {
		available := false
		for _, c := range api.Status.Conditions {
			available = available || c.Type == apiregistrationv1.Available && c.Status == apiregistrationv1.ConditionTrue
		}
		if !available {
			return "the status of the API " + api.Name, nil
		}
	}
	return "", nil
}
