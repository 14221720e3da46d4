//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is a cluster as a scenario sees it: with a kubeconfig of its own and a namespace to work in.
type Cluster struct {
	*Scenario
	Name       string
	Namespace  string
	Kubeconfig string // path of the file
	// engine is the environment that leads to another Docker than the usual one, nil for that.
	engine []string

	connect sync.Once
	clients clients
}

type clients struct {
	config  *rest.Config
	typed   kubernetes.Interface
	dynamic dynamic.Interface
}

// NewCluster names a cluster for this scenario alone. It does not exist yet; whatever becomes of it is removed
// when the scenario ends. The suffix tells several clusters of one scenario apart.
func (s *Scenario) NewCluster(suffix string) *Cluster {
	s.Helper()
	c := &Cluster{
		Scenario: s, Name: run.clusterName(s.T.Name(), suffix), Namespace: "default",
		Kubeconfig: filepath.Join(s.TempDir(), "kubeconfig"),
	}
	s.Cleanup(func() {
		if s.Failed() && run.keepFailed {
			keep(c.Name)
			s.Logf("kept cluster %s; KUBECONFIG: skiff kubeconfig %s", c.Name, c.Name)
			return
		}
		if r := skiffRun(context.Background(), c.env(), "delete", c.Name, "--ignore-not-found"); r.Code != 0 {
			s.Errorf("cluster %s cannot be deleted: %s", c.Name, r)
		}
	})
	s.Cleanup(c.collect)
	return c
}

// Create creates the cluster with further arguments of `skiff create`.
func (c *Cluster) Create(args ...string) {
	c.Helper()
	c.Skiff(append([]string{"create", c.Name}, args...)...)
}

// CreateFrom creates the cluster that a cluster file of testdata describes, which is a template as manifests are.
func (c *Cluster) CreateFrom(file string, vars Vars, args ...string) {
	c.Helper()
	path := c.WriteFile(filepath.Join(c.TempDir(), "cluster.yaml"), c.Manifest(file, vars), 0o600)
	c.Create(append([]string{"--config", path}, args...)...)
}

// Agent returns the name of an agent, counted from 1.
func (c *Cluster) Agent(number int) string { return fmt.Sprintf("skiff-%s-agent-%d", c.Name, number) }

// Node returns the name of the cluster's only node, which is that of its container too.
func (c *Cluster) Node() string { return "skiff-" + c.Name + "-server-1" }

// ContextName returns the context's name in the kubeconfig.
func (c *Cluster) ContextName() string { return "skiff-" + c.Name }

// env points skiff and kubectl at the cluster.
func (c *Cluster) env() []string {
	return append([]string{"KUBECONFIG=" + c.Kubeconfig, "SKIFF_CLUSTER=" + c.Name, "NO_COLOR=1"}, c.engine...)
}

// TryDocker runs docker where the cluster is, whatever comes of it; in a clean-up as well, when the test is over.
func (c *Cluster) TryDocker(args ...string) Result {
	return command{env: c.engine, args: append([]string{"docker"}, args...)}.run(context.WithoutCancel(c.Context()))
}

// Docker runs docker where the cluster is, and returns its output.
func (c *Cluster) Docker(args ...string) string {
	c.Helper()
	r := c.TryDocker(args...)
	if r.Code != 0 {
		c.Fatalf("%s", r)
	}
	return r.Stdout
}

// skiffRun runs the program under test.
func skiffRun(ctx context.Context, env []string, args ...string) Result {
	return command{env: env, args: append([]string{run.skiff}, args...)}.run(ctx)
}

// TrySkiff runs skiff on the cluster, whatever comes of it.
func (c *Cluster) TrySkiff(args ...string) Result { return skiffRun(c.Context(), c.env(), args...) }

// Skiff runs skiff on the cluster and returns its standard output.
func (c *Cluster) Skiff(args ...string) string {
	c.Helper()
	r := c.TrySkiff(args...)
	if r.Code != 0 {
		c.Fatalf("%s", r)
	}
	return r.Stdout
}

// StartSkiff runs skiff beside the scenario.
func (c *Cluster) StartSkiff(args ...string) *Process {
	c.Helper()
	return c.Start(c.env(), append([]string{run.skiff}, args...)...)
}

// kubectl is the command of the external kubectl, working in the scenario's namespace.
func (c *Cluster) kubectl(stdin string, args ...string) command {
	c.Helper()
	program, err := kubectlProgram()
	c.Must(err, "kubectl")
	all := append([]string{program, "--context", c.ContextName(), "--namespace", c.Namespace}, args...)
	return command{env: c.env(), stdin: stdin, args: all}
}

// TryKubectl runs kubectl, whatever comes of it.
func (c *Cluster) TryKubectl(args ...string) Result {
	c.Helper()
	return c.kubectl("", args...).run(c.Context())
}

// Kubectl runs kubectl and returns its standard output.
func (c *Cluster) Kubectl(args ...string) string {
	c.Helper()
	return c.KubectlInput("", args...)
}

// KubectlInput is [Cluster.Kubectl] with something to read.
func (c *Cluster) KubectlInput(stdin string, args ...string) string {
	c.Helper()
	r := c.kubectl(stdin, args...).run(c.Context())
	if r.Code != 0 {
		c.Fatalf("%s", r)
	}
	return r.Stdout
}

// StartKubectl runs kubectl beside the scenario.
func (c *Cluster) StartKubectl(args ...string) *Process {
	c.Helper()
	cmd := c.kubectl("", args...)
	return c.Start(cmd.env, cmd.args...)
}

// InNode runs a command in the node and returns its output.
func (c *Cluster) InNode(cmd ...string) string {
	c.Helper()
	return c.Skiff(append([]string{"node", "shell", "--"}, cmd...)...)
}

// TryInNode runs a command in one of several nodes, whatever comes of it.
func (c *Cluster) TryInNode(node string, cmd ...string) Result {
	return c.TrySkiff(append([]string{"node", "shell", node, "--"}, cmd...)...)
}

// Config returns the administrator's client configuration, from the kubeconfig.
func (c *Cluster) Config() *rest.Config {
	c.Helper()
	return rest.CopyConfig(c.connected().config)
}

// Client returns a typed client.
func (c *Cluster) Client() kubernetes.Interface {
	c.Helper()
	return c.connected().typed
}

// Dynamic returns a client for objects of any kind.
func (c *Cluster) Dynamic() dynamic.Interface {
	c.Helper()
	return c.connected().dynamic
}

func (c *Cluster) connected() *clients {
	c.Helper()
	c.connect.Do(func() {
		rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig}
		overrides := &clientcmd.ConfigOverrides{CurrentContext: c.ContextName()}
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
		c.Must(err, "read the kubeconfig that skiff wrote")
		config.QPS, config.Timeout = -1, 30*time.Second // the server's own limits are what counts
		typed, err := kubernetes.NewForConfig(config)
		c.Must(err, "make a client")
		anyKind, err := dynamic.NewForConfig(config)
		c.Must(err, "make a client")
		c.clients = clients{config: config, typed: typed, dynamic: anyKind}
	})
	if c.clients.config == nil {
		c.Fatal("there is no client for the cluster")
	}
	return &c.clients
}

// Raw asks the API for a path, as `kubectl get --raw` does.
func (c *Cluster) Raw(ctx context.Context, path string) (string, error) {
	path, query, _ := strings.Cut(path, "?")
	req := c.Client().Discovery().RESTClient().Get().AbsPath(path)
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			req = req.Param(key, value)
		}
	}
	body, err := req.DoRaw(ctx)
	return string(body), err
}
