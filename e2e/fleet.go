//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Fleet is a cluster of several nodes, with an application on it, to which things happen.
type Fleet struct {
	*Cluster
	servers, agents int
	ledger          *ledger
	kubeconfig      string // as it was written at first
}

// NewFleet creates a cluster with further arguments of `skiff create`, and an application on it.
func (c *Cluster) NewFleet(servers, agents int, args ...string) *Fleet {
	c.Helper()
	c.Step("create a cluster of %d servers and %d agents, and an application on it", servers, agents)
	c.Create(append([]string{fmt.Sprintf("--servers=%d", servers), fmt.Sprintf("--agents=%d", agents)}, args...)...)
	c.LoadImages()
	c.Apply("faults/app.yaml", nil)
	c.RolledOut("deployment/web")
	return &Fleet{Cluster: c, servers: servers, agents: agents, ledger: newLedger(), kubeconfig: c.ReadFile(c.Kubeconfig)}
}

// in is the fleet in a part of its scenario.
func (f *Fleet) in(t *testing.T) *Fleet {
	c := &Cluster{Scenario: &Scenario{T: t, started: time.Now()}, Name: f.Name, Namespace: f.Namespace, Kubeconfig: f.Kubeconfig, engine: f.engine}
	part := *f
	part.Cluster = c
	return &part
}

// node is the name of a node's container.
func (c *Cluster) node(role nodeapi.Role, number int) string {
	return fmt.Sprintf("skiff-%s-%s-%d", c.Name, role, number)
}

// nodes are the names of all nodes of some roles, of all if there are none.
func (f *Fleet) nodes(roles ...nodeapi.Role) []string {
	f.Helper()
	var all []cluster.Node
	f.SkiffJSON(&all, "node", "list")
	var names []string
	for _, n := range all {
		if len(roles) == 0 || strings.Contains(fmt.Sprint(roles), string(n.Role)) {
			names = append(names, n.Name)
		}
	}
	return names
}

// together runs a command of docker's for each of some nodes at the same time.
func (f *Fleet) together(nodes []string, args ...string) {
	f.Helper()
	results := make([]Result, len(nodes))
	var running sync.WaitGroup
	for i, node := range nodes {
		running.Go(func() { results[i] = f.TryDocker(append(args, node)...) })
	}
	running.Wait()
	for _, r := range results {
		if r.Code != 0 {
			f.Errorf("%s", r)
		}
	}
}

// backWithin is how long a whole cluster may take to be ready again.
const backWithin = 5 * time.Minute

// IsWhole waits until the cluster is ready, and checks that it is the one that it was, with all that was acknowledged,
// that pods run on every node, and that Services and DNS answer from each.
func (f *Fleet) IsWhole() {
	f.Helper()
	began := time.Now()
	f.EventuallyWithin(backWithin, "the cluster is ready", func(ctx context.Context) error {
		r := skiffRun(ctx, f.env(), "status")
		return want(r.Code == 0, "%s", r)
	})
	f.Step("the cluster is ready after %.1f s", time.Since(began).Seconds())
	if f.ReadFile(f.Kubeconfig) != f.kubeconfig {
		f.Error("the kubeconfig was changed")
	}
	f.ledger.check(f.Cluster)
	if got := f.Kubectl("get", "configmap", "mine", "--output=jsonpath={.data.written}"); got != "before" {
		f.Errorf("the ConfigMap holds %q", got)
	}
	f.RolledOut("deployment/web")
	f.probe()
	f.Step("pods run, Services and DNS answer on all nodes after %.1f s", time.Since(began).Seconds())
}

// probe starts a new pod on each node, which takes all parts of the cluster, and asks the application from there.
func (f *Fleet) probe() {
	f.Helper()
	name := "probe-" + randomHex(3)
	f.Apply("faults/probe.yaml", Vars{"Name": name})
	defer f.Kubectl("delete", "daemonset", name, "--wait=false")
	f.RolledOut("daemonset/" + name)
	pods, err := f.Client().CoreV1().Pods(f.Namespace).List(f.Context(), metav1.ListOptions{LabelSelector: "app=" + name})
	f.Must(err, "list the pods of %s", name)
	if len(pods.Items) != f.servers+f.agents {
		f.Errorf("%d nodes run a pod of the DaemonSet", len(pods.Items))
	}
	for _, p := range pods.Items {
		f.Eventually("the application answers on "+p.Spec.NodeName, func(ctx context.Context) error {
			_, err := f.TryExec(ctx, p.Name, "get", "--count=4", "http://web."+f.Namespace+".svc.cluster.local/")
			return err
		})
		f.Eventually("DNS answers on "+p.Spec.NodeName, func(ctx context.Context) error {
			_, err := f.TryExec(ctx, p.Name, "resolve", "kubernetes.default.svc.cluster.local", "web."+f.Namespace)
			return err
		})
	}
}

// becomesNotReady waits until a node's object says that it is not Ready, and returns the time that it took.
func (f *Fleet) becomesNotReady(node string) time.Duration {
	f.Helper()
	began := time.Now()
	f.Eventually(node+" is NotReady", func(ctx context.Context) error {
		n, err := f.Client().CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, cond := range n.Status.Conditions {
			if cond.Type == corev1.NodeReady {
				return want(cond.Status != corev1.ConditionTrue, "it is Ready; last sign of life %s", cond.LastHeartbeatTime)
			}
		}
		return errors.New("it says nothing of being Ready")
	})
	return time.Since(began)
}

// members are the servers in the datastore, as one of them says.
func (f *Fleet) members(server string) []nodeapi.Member {
	f.Helper()
	var list []nodeapi.Member
	f.Must(decode(f.TryDocker("exec", server, nodeapi.NodeBinary, "member", "list"), &list), "list the datastore's members")
	return list
}

// leader is the server that leads the datastore.
func (f *Fleet) leader() string {
	f.Helper()
	if f.servers == 1 {
		return f.node(nodeapi.RoleServer, 1)
	}
	var name string
	f.Eventually("the datastore has a leader", func(context.Context) error {
		for _, m := range f.members(f.node(nodeapi.RoleServer, 1)) {
			if m.Leader {
				name = m.Name
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return name
}

// calls are calls of kubectl, one after the other, through whatever happens.
type calls struct {
	mu     sync.Mutex
	made   int
	again  []Result // that failed, and did not when they were repeated
	failed []Result // that failed twice
	slow   time.Duration
}

// callAlong makes calls until the returned function is called.
func (f *Fleet) callAlong() (*calls, func()) {
	f.Helper()
	made := &calls{}
	ctx, cancel := context.WithCancel(f.Context())
	var calling sync.WaitGroup
	prefix := "call-" + randomHex(3) + "-"
	calling.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			made.call(ctx, f.Cluster, [][]string{
				{"get", "configmap", "mine"},
				{"create", "configmap", fmt.Sprintf("%s%d", prefix, i), "--from-literal=a=b"},
				{"get", "pods", "--output=wide"},
			}[i%3])
		}
	})
	return made, func() {
		cancel()
		calling.Wait()
	}
}

func (m *calls) call(ctx context.Context, c *Cluster, args []string) {
	call := func() (Result, bool) {
		r := c.kubectl("", args...).run(ctx)
		return r, r.Code == 0
	}
	first, ok := call()
	second := first
	if !ok && ctx.Err() == nil {
		second, ok = call()
		// The one that failed may have been done all the same.
		ok = ok || strings.Contains(second.Stderr, string(metav1.StatusReasonAlreadyExists))
	}
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	m.slow = max(m.slow, first.Took, second.Took)
	switch {
	case !ok:
		m.failed = append(m.failed, first, second)
	case first.Code != 0:
		m.again = append(m.again, first)
	}
}

// more waits until so many more calls were made.
func (m *calls) more(c *Cluster, count int) {
	c.Helper()
	read := func() int {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.made
	}
	before := read()
	c.Eventually(fmt.Sprintf("%d more calls of kubectl are answered", count), func(context.Context) error {
		now := read()
		return want(now >= before+count, "%d were", now-before)
	})
}

// check fails the scenario if a call failed twice.
func (m *calls) check(c *Cluster) {
	c.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Step("of %d calls of kubectl, %d had to be repeated, and %d failed all the same; the slowest took %.1f s", m.made, len(m.again), len(m.failed)/2, m.slow.Seconds())
	for _, r := range m.again {
		c.Logf("repeated: %s", r)
	}
	for _, r := range m.failed {
		c.Errorf("failed when it was repeated, too: %s", r)
	}
}

// follow watches the ledger's entries until the scenario ends, and keeps the names of those that it saw coming.
func (f *Fleet) follow() *sync.Map {
	f.Helper()
	seen := &sync.Map{}
	config := f.Config()
	config.Timeout = 0 // a watch is one long answer
	client, err := kubernetes.NewForConfig(config)
	f.Must(err, "make a client")
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(f.Namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = ledgerLabel }))
	_, err = factory.Core().V1().ConfigMaps().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { seen.Store(o.(*corev1.ConfigMap).Name, true) },
	})
	f.Must(err, "watch")
	factory.Start(f.Context().Done())
	factory.WaitForCacheSync(f.Context().Done())
	return seen
}
