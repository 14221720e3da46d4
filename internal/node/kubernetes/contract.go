package kubernetes

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// contract watches the clauses of the readiness contract that only the API can tell, from the start to the end of
// the process, and reports each when it changes. Whether all components are ready is PID 1's to say.
type contract struct {
	node   *component.Node
	report func(nodeapi.Condition)
	// api is there when an API server is ready; there is nothing to watch before. dns is there when this node's CoreDNS
	// and kube-proxy are: a question asked earlier goes nowhere, and its answer is waited for in vain. kubelet is ready
	// when it has reached containerd.
	api, dns, kubelet *awaited
	// met is closed when every clause was met for the first time.
	met     chan struct{}
	metOnce sync.Once

	// apiBy is the component that the API is reached by.
	apiBy string

	mu sync.Mutex
	// missing is what the clauses lack by what is known, and last what was reported of them.
	missing map[string]string
	last    map[string]nodeapi.Condition
	// unreached is true while apiBy is unhealthy: what the API said of this node is then from before.
	unreached bool
}

func newContract(node *component.Node, report func(nodeapi.Condition)) *contract {
	c := &contract{
		node: node, report: report, met: make(chan struct{}), missing: map[string]string{}, last: map[string]nodeapi.Condition{},
		apiBy: component.NameAPIServer, dns: awaiting(component.NameDNS, component.NameKubeProxy),
		kubelet: awaiting(component.NameKubelet),
	}
	if node.Role == nodeapi.RoleAgent {
		c.apiBy, c.dns = component.NameBalancer, awaiting(component.NameKubeProxy)
	}
	c.api = awaiting(c.apiBy)
	for _, name := range nodeapi.RemoteConditions(node.Role) {
		c.set(name, "the API server does not answer yet")
	}
	return c
}

// awaited is some components together.
type awaited struct {
	mu      sync.Mutex
	missing map[string]bool
	ready   chan struct{} // closed when all were ready for the first time
}

func awaiting(components ...string) *awaited {
	a := &awaited{missing: map[string]bool{}, ready: make(chan struct{})}
	for _, name := range components {
		a.missing[name] = true
	}
	return a
}

// see takes a component's new status.
func (a *awaited) see(s nodeapi.ComponentStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.State != nodeapi.StateReady || !a.missing[s.Name] {
		return
	}
	delete(a.missing, s.Name)
	if len(a.missing) == 0 {
		close(a.ready)
	}
}

// missed names those that were not ready yet.
func (a *awaited) missed() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(a.missing)), ", ")
}

// wait waits until they are, and says so of a clause meanwhile. It is false if ctx ends first.
func (c *contract) wait(ctx context.Context, a *awaited, clause string) bool {
	if missed := a.missed(); missed != "" {
		c.set(clause, "not ready yet: "+missed)
	}
	select {
	case <-a.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

// Component takes a component's new status.
func (c *contract) Component(s nodeapi.ComponentStatus) {
	c.api.see(s)
	c.dns.see(s)
	c.kubelet.see(s)
	if s.Name != c.apiBy {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unreached = s.State == nodeapi.StateUnhealthy
	for name := range c.missing {
		c.tell(name)
	}
}

// set says what a clause lacks; it is met if nothing is missing.
func (c *contract) set(name, missing string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missing[name] = missing
	c.tell(name)
}

// tell reports a clause if it changed. The caller holds the lock.
func (c *contract) tell(name string) {
	missing := c.missing[name]
	if missing == "" && c.unreached && name != nodeapi.ConditionDNS {
		missing = "not known as long as " + c.apiBy + " is unhealthy"
	}
	old, known := c.last[name]
	now := nodeapi.Condition{Name: name, Met: missing == "", Message: missing, Since: time.Now()}
	if known && old.Met == now.Met {
		if old.Message == now.Message {
			return
		}
		now.Since = old.Since
	}
	c.last[name] = now
	c.report(now)
	for _, clause := range c.last {
		if !clause.Met {
			return
		}
	}
	c.metOnce.Do(func() { close(c.met) })
}

// Watch follows the API's objects and cluster DNS until ctx ends.
func (c *contract) Watch(ctx context.Context) error {
	select {
	case <-c.api.ready:
	case <-ctx.Done():
		return nil
	}
	client, err := component.NewClient(c.node)
	if err != nil {
		return err
	}
	var following sync.WaitGroup
	following.Go(func() { c.followNode(ctx, client) })
	if slices.Contains(nodeapi.RemoteConditions(c.node.Role), nodeapi.ConditionServiceAccount) {
		following.Go(func() { c.followServiceAccount(ctx, client) })
	}
	following.Go(func() { c.followPods(ctx, client, askRuntime) })
	following.Go(func() { c.followDNS(ctx) })
	following.Wait()
	return nil
}

// follow calls each with an object now and whenever it changes; with nil when there is none.
func follow[T runtime.Object](ctx context.Context, client kubernetes.Interface, resource, namespace, name string, zero T, each func(T)) {
	var none T
	var mu sync.Mutex // that there is none must not be said after what has come since
	lw := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), resource, namespace,
		fields.OneTermEqualSelector(metav1.ObjectNameField, name))
	call := func(obj any) {
		mu.Lock()
		defer mu.Unlock()
		if o, ok := obj.(T); ok {
			each(o)
		}
	}
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lw, ObjectType: zero,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    call,
			UpdateFunc: func(_, obj any) { call(obj) },
			DeleteFunc: func(any) { call(none) },
		},
	})
	go func() {
		if !cache.WaitForCacheSync(ctx.Done(), controller.HasSynced) {
			return
		}
		mu.Lock() // what comes is in the store before it is told
		defer mu.Unlock()
		if len(store.List()) == 0 {
			each(none)
		}
	}()
	controller.RunWithContext(ctx)
}
