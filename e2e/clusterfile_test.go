//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestClusterFile(t *testing.T) {
	s := Own(t, 2, "A cluster is as its file says: groups of nodes, mounts, ports, features, arguments, node failure, two IP families")
	c := s.NewCluster("")
	port, data := c.freePort(), c.hostFolder()
	c.CreateFrom("clusterfile/full.yaml", Vars{"Port": port, "Data": data})
	c.LoadImages()
	front, batch := c.Agent(1), c.Agent(2)

	c.Step("each group's nodes have its labels and taints, and servers beside agents take no pods")
	c.hasTaints(map[string]string{c.Node(): "node-role.kubernetes.io/control-plane=:NoSchedule", front: "", batch: "example.test/dedicated=batch:NoSchedule"})
	for node, tier := range map[string]string{front: "front", batch: "batch"} {
		if got := c.Kubectl("get", "nodes", "--selector=example.test/tier="+tier, "--output=name"); got != "node/"+node+"\n" {
			t.Errorf("nodes of tier %s: %s", tier, got)
		}
	}

	c.Step("a pod sees the host's folder through its node, which cannot write to it")
	c.seesMount(front)

	c.Step("feature gates and API groups are on")
	for _, metrics := range []string{"/metrics", "/api/v1/nodes/" + front + "/proxy/metrics"} {
		text, err := c.Raw(t.Context(), metrics)
		c.Must(err, "read %s", metrics)
		if !strings.Contains(text, `kubernetes_feature_enabled{name="CoordinatedLeaderElection",stage="BETA"} 1`) {
			t.Errorf("%s: the feature gate is not on", metrics)
		}
	}
	c.Kubectl("get", "leasecandidates.v1beta1.coordination.k8s.io", "--all-namespaces")

	c.Step("every component has the argument that it was given")
	large := c.WriteFile(filepath.Join(t.TempDir(), "large"), strings.Repeat("x", 700<<10), 0o600)
	if r := c.TryKubectl("create", "configmap", "large", "--from-file="+large); r.Code == 0 || !strings.Contains(r.Stderr, "request is too large") {
		t.Errorf("etcd took what it was told not to: %s", r)
	}
	c.limitsNodePorts()
	probe := c.on(c.Node(), c.NewPod("metrics", "sleep"))
	probe.Spec.HostNetwork = true
	c.CreatePod(probe)
	c.PodReady(probe.Name)
	for component, url := range map[string]string{"controller manager": "https://127.0.0.1:10257/metrics", "scheduler": "https://127.0.0.1:10259/metrics"} {
		if text := c.Exec(probe.Name, "get", "--insecure", url); !strings.Contains(text, "process_start_time_seconds") {
			t.Errorf("metrics of the %s: %s", component, clip(text))
		}
	}
	if got := c.Kubectl("get", "node", front, "--output=jsonpath={.status.capacity.pods}"); got != "17" {
		t.Errorf("kubelet: %s pods", got)
	}
	if got := c.Exec(probe.Name, "get", "http://"+front+":10249/proxyMode"); got != "nftables" {
		t.Errorf("kube-proxy: %q", got)
	}

	c.Step("nodes and pods have the file's times of node failure")
	if got := c.Kubectl("get", "lease", front, "--namespace=kube-node-lease", "--output=jsonpath={.spec.leaseDurationSeconds}"); got != "40" {
		t.Errorf("the node's lease is for %s seconds", got)
	}
	pod, err := c.Pod(t.Context(), probe.Name)
	c.Must(err, "get a pod")
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		if !slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
			return t.Key == key && t.TolerationSeconds != nil && *t.TolerationSeconds == 33
		}) {
			t.Errorf("tolerations: %v", pod.Spec.Tolerations)
		}
	}

	c.Step("pods and Services have both IP families, and each is reached by both, on another node too")
	c.Apply("clusterfile/web.yaml", Vars{"Nodes": map[string]string{"near": front, "far": batch}})
	c.talks([]bool{true, false}, "near", "far")

	c.Step("the host's port leads to the node's")
	c.answersOnHost("127.0.0.1", port)
}

func TestManifests(t *testing.T) {
	s := Own(t, 1, "A cluster file's manifests are applied in order; what is refused is named, and costs neither the cluster nor what came before")
	c := s.NewCluster("")
	file := c.WriteFile(filepath.Join(t.TempDir(), "cluster.yaml"),
		c.Manifest("clusterfile/manifests.yaml", Vars{"Testdata": filepath.Join(run.root, "testdata/clusterfile")}), 0o600)
	r := c.TrySkiff("create", c.Name, "--config", file)
	c.Fails(r, exitManifest, "refused.yaml, line 5", "Service default/bad", "99999", "never.yaml", "kubectl apply --server-side")

	c.Step("the cluster stays, with what was applied before, objects of a new kind too")
	if got := c.Kubectl("get", "widgets", "--all-namespaces", "--output=jsonpath={.items[*].metadata.name}"); got != "first second" {
		t.Errorf("widgets: %s", got)
	}
	if got := c.Kubectl("get", "configmap", "settings", "--namespace=team", "--output=jsonpath={.data.colour}"); got != "blue" {
		t.Errorf("the ConfigMap says %q", got)
	}
	if got := c.Kubectl("get", "configmap", "good", "never", "--ignore-not-found", "--output=name"); got != "configmap/good\n" {
		t.Errorf("there is %s", got)
	}

	c.Step("the command that the message gives does the rest, on a file that was mended")
	mended := c.WriteFile(filepath.Join(t.TempDir(), "mended.yaml"), strings.Replace(
		c.ReadFile(filepath.Join(run.root, "testdata/clusterfile/refused.yaml")), "99999", "80", 1), 0o600)
	c.Skiff("--cluster", c.Name, "kubectl", "apply", "--server-side", "-f", mended)
	c.Kubectl("get", "service", "bad")
}

func TestIPv6Cluster(t *testing.T) {
	s := Own(t, 2, "A cluster of which pods and Services have IPv6 only works like any other")
	c := s.NewCluster("")
	port := c.freePort()
	c.CreateFrom("clusterfile/ipv6.yaml", Vars{"Port": port})
	c.LoadImages()

	c.Step("pods reach each other, on another node too, Services by address and by name, and the API")
	c.Apply("clusterfile/web.yaml", Vars{"Nodes": map[string]string{"near": c.Node(), "far": c.Agent(1)}})
	c.talks([]bool{false}, "near", "far")

	c.Step("names that only the host's resolver knows are found by pods that use it")
	pod := c.on(c.Agent(1), c.NewPod("outside", "resolve", c.Node()))
	pod.Spec.DNSPolicy = corev1.DNSDefault
	if got := c.Output(pod); !strings.HasPrefix(got, c.Node()+": ") {
		t.Errorf("resolve: %q", got)
	}

	c.Step("the host's port leads to the node's")
	c.answersOnHost("::1", port)
}

func TestKindFile(t *testing.T) {
	s := Own(t, 1, "A configuration of kind makes the same cluster here, as it is")
	c := s.NewCluster("")
	port, data := c.freePort(), c.hostFolder()
	c.CreateFrom("clusterfile/kind.yaml", Vars{"Port": port, "Data": data})
	c.LoadImages()
	worker := c.Agent(1)
	c.hasTaints(map[string]string{c.Node(): "node-role.kubernetes.io/control-plane=:NoSchedule", worker: "dedicated=front:NoSchedule"})
	c.seesMount(worker)
	if got := c.Kubectl("get", "nodes", "--selector=tier=front", "--output=name"); got != "node/"+worker+"\n" {
		t.Errorf("nodes with the label: %s", got)
	}
	c.limitsNodePorts()
	c.Apply("clusterfile/web.yaml", Vars{"Nodes": map[string]string{"near": c.Node(), "far": worker}})
	c.talks([]bool{true}, "near", "far")
	if got := c.Kubectl("get", "pod", "far", "--output=jsonpath={.status.podIP}"); !strings.HasPrefix(got, "10.111.") {
		t.Errorf("a pod's address: %s", got)
	}
	if got := c.Kubectl("get", "service", "web", "--output=jsonpath={.spec.clusterIP}"); !strings.HasPrefix(got, "10.112.") {
		t.Errorf("a Service's address: %s", got)
	}
	c.answersOnHost("127.0.0.1", port)
}

// hasTaints fails the scenario unless nodes have these taints.
func (c *Cluster) hasTaints(nodes map[string]string) {
	c.Helper()
	for name, wanted := range nodes {
		node, err := c.Client().CoreV1().Nodes().Get(c.Context(), name, metav1.GetOptions{})
		c.Must(err, "get node %s", name)
		var taints []string
		for _, t := range node.Spec.Taints {
			taints = append(taints, fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.Effect))
		}
		if got := strings.Join(taints, " "); got != wanted {
			c.Errorf("taints of %s: %q, want %q", name, got, wanted)
		}
	}
}

// limitsNodePorts fails the scenario unless the API server has the argument that the file gives it.
func (c *Cluster) limitsNodePorts() {
	c.Helper()
	r := c.TryKubectl("create", "service", "nodeport", "outside", "--tcp=80", "--node-port=31000")
	if r.Code == 0 || !strings.Contains(r.Stderr, "30000-30100") {
		c.Errorf("the API server took a port outside of its range: %s", r)
	}
}

// hostFolder makes a folder with a file on the host, for clusters to mount.
func (s *Scenario) hostFolder() string {
	s.Helper()
	dir := s.TempDir()
	s.Must(os.Chmod(dir, 0o755), "let pods look into %s", dir)
	s.WriteFile(filepath.Join(dir, "word"), "from the host\n", 0o644)
	return dir
}

// seesMount fails the scenario unless pods on a node see the host's folder, which the node has at /data, read-only.
func (c *Cluster) seesMount(node string) {
	c.Helper()
	pod := c.on(node, c.NewPod("reader", "sleep"))
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	c.CreatePod(pod)
	c.PodReady(pod.Name)
	if got := c.Exec(pod.Name, "cat", "/data/word"); got != "from the host\n" {
		c.Errorf("the file reads %q", got)
	}
	if r := c.TryInNode(node, "/bin/sh", "-c", "echo from the node > /data/word"); r.Code == 0 || !strings.Contains(r.Stderr, "Read-only") {
		c.Errorf("the node can write to it: %s", r)
	}
}

// talks fails the scenario unless pods of Service web, and the Service itself, have an address of each family, in that
// order, and answer a pod on the first one's node, which finds the Service by its name.
func (c *Cluster) talks(is4 []bool, pods ...string) {
	c.Helper()
	families := func(what string, addresses []string) {
		c.Helper()
		if len(addresses) != len(is4) {
			c.Fatalf("%s has the addresses %v", what, addresses)
		}
		for i, a := range addresses {
			if addr, err := netip.ParseAddr(a); err != nil || addr.Is4() != is4[i] {
				c.Fatalf("%s has the addresses %v", what, addresses)
			}
		}
	}
	client := c.on(c.PodReady(pods[0]).Spec.NodeName, c.NewPod("client", "sleep"))
	c.CreatePod(client)
	c.PodReady(client.Name)
	for _, name := range pods {
		var addresses []string
		for _, ip := range c.PodReady(name).Status.PodIPs {
			addresses = append(addresses, ip.IP)
		}
		families("pod "+name, addresses)
		for _, a := range addresses {
			if got := c.Exec(client.Name, "get", "http://"+net.JoinHostPort(a, "8080")+"/"); got != "v1 "+name+"\n" {
				c.Errorf("pod %s at %s: %q", name, a, got)
			}
		}
	}
	service, err := c.Client().CoreV1().Services(c.Namespace).Get(c.Context(), "web", metav1.GetOptions{})
	c.Must(err, "get the Service")
	families("Service web", service.Spec.ClusterIPs)
	for _, a := range service.Spec.ClusterIPs {
		var seen map[string]bool
		c.Eventually("both pods answer at "+a, func(ctx context.Context) error {
			out, err := c.TryExec(ctx, client.Name, "get", "--count=20", "http://"+net.JoinHostPort(a, "80")+"/")
			if err != nil {
				return err
			}
			seen = map[string]bool{}
			for line := range strings.Lines(out) {
				seen[line] = true
			}
			return want(len(seen) == len(pods), "these answered: %v", seen)
		})
	}
	addresses := slices.Sorted(slices.Values(service.Spec.ClusterIPs))
	if got, want := c.Exec(client.Name, "resolve", "web"), "web: "+strings.Join(addresses, " ")+"\n"; got != want {
		c.Errorf("resolve: %q, want %q", got, want)
	}
	if got := c.Exec(client.Name, "get", "--account", "https://kubernetes.default/readyz"); got != "ok" {
		c.Errorf("the API, asked by a pod: %q", got)
	}
}

// answersOnHost fails the scenario unless one of the pods of Service web answers on a port of the host.
func (c *Cluster) answersOnHost(address string, port int) {
	c.Helper()
	client := &http.Client{Timeout: 5 * time.Second}
	c.Eventually("a pod answers on the host's port", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, strconv.Itoa(port))+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(resp.Body)
		return errors.Join(err, resp.Body.Close(), want(strings.HasPrefix(string(text), "v1 "), "it answers %q", text))
	})
}

// freePort finds a port of the host that nobody listens on.
func (s *Scenario) freePort() int {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.Must(err, "find a free port")
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
