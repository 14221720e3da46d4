//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// memory is what must be the same after something happened to a node.
type memory struct {
	kubeconfig string
	keys       string // sums of all keys and certificates
	service    string // its address
	pods       map[string]podMemory
}

// podMemory is a pod, with the container that runs in it and how often it was restarted.
type podMemory struct {
	uid, container string
	restarts       int32
}

// settle puts an application into the cluster and remembers how all is.
func (c *Cluster) settle() memory {
	c.Helper()
	c.LoadImages()
	c.Apply("lifecycle/app.yaml", nil)
	c.RolledOut("deployment/web")
	m := memory{
		kubeconfig: c.ReadFile(c.Kubeconfig), keys: c.keySums(),
		service: c.Kubectl("get", "service", "web", "--output=jsonpath={.spec.clusterIP}"),
	}
	c.Eventually("the Service answers", func(ctx context.Context) error { return c.answers(ctx, m.service) })
	pods, err := c.webPods(c.Context())
	c.Must(err, "list pods")
	m.pods = pods
	return m
}

// keySums are the sums of the node's keys and certificates.
func (c *Cluster) keySums() string {
	c.Helper()
	sums := c.InNode("sh", "-c", "cd "+nodeapi.PKIDir+" && sha256sum *")
	if !strings.Contains(sums, "apiserver.crt") {
		c.Fatalf("sums: %s", sums)
	}
	return sums
}

// answers asks the Service from the node, where kube-proxy's rules hold as well.
func (c *Cluster) answers(ctx context.Context, address string) error {
	r := skiffRun(ctx, c.env(), "node", "shell", "--", "timeout", "2", "wget", "-q", "-O", "-", "http://"+address+"/")
	return want(r.Code == 0 && strings.Contains(r.Stdout, " web-"), "%s", r)
}

// webPods are the application's pods, all of them Ready.
func (c *Cluster) webPods(ctx context.Context) (map[string]podMemory, error) {
	list, err := c.Client().CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		return nil, err
	}
	pods := map[string]podMemory{}
	for _, p := range list.Items {
		if !isReady(&p) || len(p.Status.ContainerStatuses) != 1 {
			return nil, errors.New(DescribePod(&p))
		}
		cs := p.Status.ContainerStatuses[0]
		pods[p.Name] = podMemory{string(p.UID), cs.ContainerID, cs.RestartCount}
	}
	return pods, nil
}

// IsBack waits until the cluster is ready again, and checks that it is the same one, for the same clients, with the
// same objects and pods. If the pods must have gone on running, each has the container that it had before.
func (c *Cluster) IsBack(m memory, podsWentOn bool) {
	c.Helper()
	c.Eventually("the cluster is ready", func(ctx context.Context) error {
		r := skiffRun(ctx, c.env(), "status")
		return want(r.Code == 0, "%s", r)
	})
	if c.ReadFile(c.Kubeconfig) != m.kubeconfig {
		c.Error("the kubeconfig was changed")
	}
	if got := c.Kubectl("get", "configmap", "mine", "--output=jsonpath={.data.written}"); got != "before" {
		c.Errorf("the ConfigMap holds %q", got)
	}
	if sums := c.keySums(); sums != m.keys {
		c.Errorf("keys and certificates were\n%s\nand are\n%s", m.keys, sums)
	}

	// A new pod proves that the kubelet has come to terms with what it found: old statuses may be stale until then.
	name := "new-" + randomHex(3)
	c.ClientPod(name)
	c.Kubectl("delete", "pod", name, "--wait=false")
	c.Eventually("the pods are as they should be", func(ctx context.Context) error {
		pods, err := c.webPods(ctx)
		if err != nil {
			return err
		}
		return m.samePods(pods, podsWentOn)
	})
	if got := c.Kubectl("get", "service", "web", "--output=jsonpath={.spec.clusterIP}"); got != m.service {
		c.Errorf("the Service is at %s", got)
	}
	c.Eventually("the Service answers", func(ctx context.Context) error { return c.answers(ctx, m.service) })
	c.Kubectl("exec", slices.Sorted(maps.Keys(m.pods))[0], "--", "/testbox", "resolve", "web."+c.Namespace)
}

func (m memory) samePods(pods map[string]podMemory, wentOn bool) error {
	if len(pods) != len(m.pods) {
		return fmt.Errorf("there were %d, there are %d", len(m.pods), len(pods))
	}
	for name, before := range m.pods {
		now, there := pods[name]
		switch {
		case !there || now.uid != before.uid:
			return fmt.Errorf("pod %s was replaced: %v", name, pods)
		case wentOn && now != before:
			return fmt.Errorf("pod %s was %+v and is %+v", name, before, now)
		case !wentOn && now.container == before.container:
			return fmt.Errorf("pod %s has the container that cannot run any more: %+v", name, now)
		}
	}
	return nil
}

// component asks the node how a component is.
func (c *Cluster) component(ctx context.Context, name string) (nodeapi.ComponentStatus, error) {
	var status cluster.Status
	r := skiffRun(ctx, c.env(), "status", "--output", "json")
	if err := decode(r, &status); err != nil {
		return nodeapi.ComponentStatus{}, err
	}
	for _, n := range status.Nodes {
		if n.Report == nil {
			return nodeapi.ComponentStatus{}, errors.New(n.Error)
		}
		for _, found := range n.Report.Components {
			if found.Name == name {
				return found, nil
			}
		}
	}
	return nodeapi.ComponentStatus{}, fmt.Errorf("there is no component %s", name)
}

// Kill kills a component's process in the node and waits until it has another.
func (c *Cluster) Kill(name string) {
	c.Helper()
	before, err := c.component(c.Context(), name)
	c.Must(err, "ask for %s", name)
	c.InNode("kill", "-9", fmt.Sprint(before.PID))
	c.Eventually(name+" was started again", func(ctx context.Context) error {
		now, err := c.component(ctx, name)
		if err != nil {
			return err
		}
		return want(now.State == nodeapi.StateReady && now.PID != before.PID && now.Restarts == before.Restarts+1, "%+v", now)
	})
	after, err := c.component(c.Context(), name)
	c.Must(err, "ask for %s", name)
	if after.LastError == "" {
		c.Errorf("it does not say why it was started again: %+v", after)
	}
}

// processes are those of the application, as the node's kernel numbers them.
func (c *Cluster) processes() []string {
	c.Helper()
	found := strings.Fields(c.InNode("pidof", "testbox"))
	slices.Sort(found)
	return found
}
