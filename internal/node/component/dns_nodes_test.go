package component

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// dnsServer is a server's object.
func dnsServer(name string, ready bool) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{controlPlaneLabel: ""}}}
	status := corev1.ConditionUnknown
	if ready {
		status = corev1.ConditionTrue
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue}, {Type: corev1.NodeReady, Status: status}}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: "172.30.0.2"}}
	return n
}

// endpoint is the slice of a server, as it publishes it itself.
func endpoint(server string) *discoveryv1.EndpointSlice {
	n := testServer()
	n.Node = server
	return dnsEndpointSlices(n)[0]
}

// TestDNSNodes keeps the endpoints of kube-dns as ready as their nodes.
func TestDNSNodes(t *testing.T) {
	foreign := endpoint("foreign")
	foreign.Labels[discoveryv1.LabelManagedBy] = "of-the-user"
	several := endpoint("several")
	several.Endpoints = append(several.Endpoints, several.Endpoints[0])
	client := fake.NewClientset(endpoint("a"), endpoint("b"), endpoint("c"), foreign, several)
	d := &dnsNodes{client: client}
	agent := dnsServer("agent", true)
	agent.Labels = nil
	for _, step := range []struct {
		name    string
		nodes   []*corev1.Node
		want    []string // endpoints
		actions int
	}{
		{"all are ready", []*corev1.Node{dnsServer("a", true), dnsServer("b", true), dnsServer("c", true), agent},
			[]string{"a true", "b true", "c true", "foreign true", "several true"}, 1},
		{"one is not heard of", []*corev1.Node{dnsServer("a", true), dnsServer("b", false), dnsServer("c", true)},
			[]string{"a true", "b false", "c true", "foreign true", "several true"}, 2},
		{"nothing changed", []*corev1.Node{dnsServer("c", true), dnsServer("b", false), dnsServer("a", true), agent},
			[]string{"a true", "b false", "c true", "foreign true", "several true"}, 0},
		{"it is back, and another one was removed", []*corev1.Node{dnsServer("a", true), dnsServer("b", true)},
			[]string{"a true", "b true", "foreign true", "several true"}, 3},
		{"a node without conditions", []*corev1.Node{dnsServer("a", true), {ObjectMeta: dnsServer("b", true).ObjectMeta}},
			[]string{"a true", "b false", "foreign true", "several true"}, 2},
	} {
		client.ClearActions()
		if err := d.sync(t.Context(), step.nodes); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if got := len(ofSlices(client)); got != step.actions {
			t.Errorf("%s: %d requests, want %d: %v", step.name, got, step.actions, client.Actions())
		}
		if got, want := dnsAddresses(t, client), readyNames(step.nodes); !slices.Equal(got, want) {
			t.Errorf("%s: the Endpoints are %q, want %q", step.name, got, want)
		}
		list, err := client.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list.Items {
			if c := s.Endpoints[0].Conditions; *c.Ready != *c.Serving {
				t.Errorf("%s: %s is ready: %t, serving: %t", step.name, s.Name, *c.Ready, *c.Serving)
			}
			got = append(got, fmt.Sprintf("%s %t", *s.Endpoints[0].NodeName, *s.Endpoints[0].Conditions.Ready))
		}
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

// TestDNSNodesFail tries again what failed, and takes no offence at a server that was faster.
func TestDNSNodesFail(t *testing.T) {
	client := fake.NewClientset(endpoint("a"))
	var fail error
	for _, verb := range []string{"list", "update", "delete"} {
		client.PrependReactor(verb, "endpointslices", func(action clienttesting.Action) (bool, runtime.Object, error) {
			if fail != nil && (action.GetVerb() != "list" || !apierrors.IsConflict(fail)) {
				return true, nil, fail
			}
			return false, nil, nil
		})
	}
	d := &dnsNodes{client: client}
	down := []*corev1.Node{dnsServer("a", false)}
	fail = errors.New("etcdserver: leader changed")
	if err := d.sync(t.Context(), down); !errors.Is(err, fail) {
		t.Errorf("%v", err)
	}
	fail = nil
	client.ClearActions()
	if err := d.sync(t.Context(), down); err != nil || len(ofSlices(client)) != 2 {
		t.Errorf("the second attempt: %v, %v", client.Actions(), err)
	}
	fail = apierrors.NewConflict(schema.GroupResource{Resource: "endpointslices"}, "a", nil)
	if err := d.sync(t.Context(), []*corev1.Node{dnsServer("a", true)}); err != nil {
		t.Errorf("another server was faster: %v", err)
	}
}

// ofSlices are the requests about EndpointSlices.
func ofSlices(client *fake.Clientset) []clienttesting.Action {
	return slices.DeleteFunc(slices.Clone(client.Actions()), func(a clienttesting.Action) bool { return a.GetResource().Resource != "endpointslices" })
}

// dnsAddresses are the nodes in the Endpoints object.
func dnsAddresses(t *testing.T, client *fake.Clientset) (names []string) {
	t.Helper()
	there, err := client.CoreV1().Endpoints(metav1.NamespaceSystem).Get(t.Context(), dnsServiceName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range there.Subsets {
		for _, a := range s.Addresses {
			names = append(names, *a.NodeName)
		}
	}
	return names
}

// readyNames are the servers among nodes that are ready, by name.
func readyNames(nodes []*corev1.Node) (names []string) {
	for _, n := range nodes {
		if _, server := n.Labels[controlPlaneLabel]; server && isReady(n) {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}
