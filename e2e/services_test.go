//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestServices(t *testing.T) {
	c := Shared(t, "A Service is found by its names and spreads connections over its pods")
	c.Apply("services/web.yaml", nil)
	c.RolledOut("deployment/web")
	pods := c.HasEndpoints("web", 2)
	c.ClientPod("client")

	c.Step("the Service's names lead to its address, and the headless one's to the pods")
	address := c.Kubectl("get", "service", "web", "--output=jsonpath={.spec.clusterIP}")
	for _, name := range []string{"web", "web." + c.Namespace, "web." + c.Namespace + ".svc.cluster.local"} {
		if got := c.Exec("client", "resolve", name); got != name+": "+address+"\n" {
			t.Errorf("resolve: %q, want %s", got, address)
		}
	}
	if got, want := c.Exec("client", "resolve", "pods"), "pods: "+strings.Join(pods, " ")+"\n"; got != want {
		t.Errorf("headless: %q, want %q", got, want)
	}
	srv := c.Exec("client", "resolve", "--srv", "_http._tcp.web."+c.Namespace+".svc.cluster.local")
	if !strings.Contains(srv, "80 web."+c.Namespace+".svc.cluster.local.") {
		t.Errorf("SRV: %q", srv)
	}
	if _, err := c.TryExec(t.Context(), "client", "resolve", "nobody"); err == nil {
		t.Error("a service that does not exist has an address")
	}

	c.Step("an ExternalName Service is an alias")
	if got := c.Exec("client", "resolve", "alias"); got != "alias: "+address+"\n" {
		t.Errorf("alias: %q", got)
	}

	c.Step("every pod answers through it")
	hosts := map[string]bool{}
	for line := range strings.Lines(c.Exec("client", "get", "--count=40", "http://web/")) {
		hosts[strings.TrimSpace(line)] = true
	}
	if len(hosts) != 2 {
		t.Errorf("of two pods, these answered 40 requests: %v", hosts)
	}

	c.Step("with session affinity one client stays with one pod")
	hosts = map[string]bool{}
	for line := range strings.Lines(c.Exec("client", "get", "--count=20", "http://sticky/")) {
		hosts[strings.TrimSpace(line)] = true
	}
	if len(hosts) != 1 {
		t.Errorf("these pods answered: %v", hosts)
	}

	c.Step("a pod reaches itself through its own Service")
	c.Kubectl("scale", "deployment/web", "--replicas=1")
	c.HasEndpoints("web", 1)
	one := strings.TrimSpace(c.Kubectl("get", "pods", "--selector=app=web", "--field-selector=status.podIP="+c.HasEndpoints("web", 1)[0],
		"--output=jsonpath={.items[0].metadata.name}"))
	c.Exec(one, "get", "http://web/")

	c.Step("a Service without a pod refuses connections at once, instead of swallowing them")
	c.Kubectl("scale", "deployment/web", "--replicas=0")
	c.HasEndpoints("web", 0)
	c.Eventually("the connection is refused", func(context.Context) error {
		r := c.TryKubectl("exec", "client", "--", "/testbox", "get", "--timeout=20s", "http://web/")
		return want(r.Code != 0 && strings.Contains(r.Stderr, "refused"), "%s", r)
	})
}

func TestNodePortAndHostPort(t *testing.T) {
	c := Shared(t, "A NodePort, a host port and the host's network are reached at the node's address")
	c.Apply("services/web.yaml", nil)
	c.RolledOut("deployment/web")
	hostPort := c.NewPod("host-port", "serve")
	hostPort.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 33080}}
	c.CreatePod(hostPort)
	hostNetwork := c.NewPod("host-network", "serve", "--addr=:33081")
	hostNetwork.Spec.HostNetwork = true
	hostNetwork.Spec.DNSPolicy = corev1.DNSClusterFirstWithHostNet
	c.CreatePod(hostNetwork)
	c.ClientPod("client")

	nodePort := c.Kubectl("get", "service", "node-port", "--output=jsonpath={.spec.ports[0].nodePort}")
	c.PodReady("host-port")
	pod := c.PodReady("host-network")
	if pod.Status.PodIP != pod.Status.HostIP {
		t.Errorf("the pod in the host's network has the address %s, the node %s", pod.Status.PodIP, pod.Status.HostIP)
	}
	urls := []string{
		fmt.Sprintf("http://%s:%s/", pod.Status.HostIP, nodePort),
		fmt.Sprintf("http://%s:33080/", pod.Status.HostIP),
		fmt.Sprintf("http://%s:33081/", pod.Status.HostIP),
	}

	c.Step("from a pod")
	for _, url := range urls {
		c.reachable(url, func(ctx context.Context) error { _, err := c.TryExec(ctx, "client", "get", url); return err })
	}
	c.Step("from another container on the cluster's network")
	for _, url := range urls {
		if r := dockerRun("run", "--rm", "--network=skiff-"+c.Name, Image(1), "get", url); r.Code != 0 {
			t.Errorf("%s", r)
		}
	}
	c.Step("a pod in the host's network finds Services by name")
	c.Exec("host-network", "get", "http://web."+c.Namespace+"/")
}

// reachable waits until a connection works: rules are written a moment after the objects they are for.
func (c *Cluster) reachable(what string, try func(ctx context.Context) error) {
	c.Helper()
	c.Eventually(what+" answers", try)
}
