//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

func TestProcessesAreKilled(t *testing.T) {
	c := Own(t, 1, "When a process of the node is killed, it comes back by itself, and the pods never stop").NewCluster("")
	c.Create()
	m := c.settle()
	running := c.processes()
	began := c.beginnings()
	for _, name := range []string{"kubernetes", "containerd"} {
		c.Step("%s is killed", name)
		c.Kill(name)
		c.IsBack(m, true)
		// The new pod that proved the kubelet to be back is deleted, and its process may still be about to end.
		c.Eventually("the pods' processes are the ones from before", func(context.Context) error {
			now := c.processes()
			return want(slices.Equal(now, running), "they were %v and are %v", running, now)
		})
	}
	c.Step("both are killed at once")
	c.InNode("sh", "-c", "kill -9 $(pidof skiff-kubernetes) $(pidof containerd)")
	c.IsBack(m, true)

	c.Step("a start of the API server that looks for what a new cluster lacks has found nothing to write")
	if now := c.beginnings(); now != began {
		t.Errorf("the cluster began with\n%s\nand later starts made of it\n%s", began, now)
	}
}

func TestNodeIsRestarted(t *testing.T) {
	c := Own(t, 1, "A cluster survives docker restart, and docker stop and start: objects, pods, certificates, kubeconfig").NewCluster("")
	c.Create()
	m := c.settle()
	c.Step("docker restart")
	c.Docker("restart", c.Node())
	c.IsBack(m, false)
	m.pods = c.nowPods()

	c.Step("docker stop, then start; it stopped by itself, without being killed")
	c.Docker("stop", c.Node())
	if code := strings.TrimSpace(c.Docker("inspect", "--format", "{{.State.ExitCode}}", c.Node())); code == "137" {
		t.Error("it had to be killed")
	}
	c.Docker("start", c.Node())
	c.IsBack(m, false)
	m.pods = c.nowPods()

	c.Step("skiff stop, then start; no pod is shown as it was")
	c.Skiff("stop", c.Name)
	stopped := time.Now()
	c.Skiff("start", c.Name)
	c.runNothingSince(stopped)
	c.IsBack(m, false)
}

// runNothingSince checks that no container is said to run that was started before the nodes were.
func (c *Cluster) runNothingSince(stopped time.Time) {
	c.Helper()
	stopped = stopped.Truncate(time.Second) // as the API has it
	out := c.Kubectl("get", "pods", "--all-namespaces", "--output",
		`jsonpath={range .items[*]}{.metadata.name}{range .status.containerStatuses[*]} {.state.running.startedAt}{end}{"\n"}{end}`)
	for line := range strings.Lines(out) {
		pod := strings.Fields(line)
		for _, text := range pod[1:] {
			if started, err := time.Parse(time.RFC3339, text); err != nil || started.Before(stopped) {
				c.Errorf("the node was stopped at %s, and pod %s is said to run since %s", stopped, pod[0], text)
			}
		}
	}
}

func TestNodeIsKilled(t *testing.T) {
	c := Own(t, 1, "A cluster whose node is killed in the middle of writing comes back by itself, with all that was acknowledged").NewCluster("")
	c.Create()
	m := c.settle()
	for i := range 20 {
		c.Kubectl("create", "configmap", "written-"+strconv.Itoa(i), "--from-literal=a=b")
	}
	c.killNode()
	c.IsBack(m, false)
	for i := range 20 {
		c.Kubectl("get", "configmap", "written-"+strconv.Itoa(i))
	}
}

// beginnings are the objects that the API server writes at its start if they are missing or differ, with their revisions.
func (c *Cluster) beginnings() string {
	c.Helper()
	return c.Kubectl("get", "clusterroles,clusterrolebindings,roles,rolebindings,priorityclasses", "--all-namespaces",
		"--output", `jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
}

// killNode kills the node's first process. Docker starts a container again that ends by itself, but not one that
// `docker kill` ended: whoever is root on Docker's host kills the process, everybody else starts it again.
func (c *Cluster) killNode() {
	c.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(c.Docker("inspect", "--format", "{{.State.Pid}}", c.Node())))
	c.Must(err, "find the node's first process")
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err == nil && bytes.HasPrefix(line, []byte(nodeapi.NodeBinary)) && syscall.Kill(pid, syscall.SIGKILL) == nil {
		c.Step("the node was killed, and Docker starts it again")
		return
	}
	c.Step("docker kill, then start")
	c.Docker("kill", c.Node())
	c.Docker("start", c.Node())
}

// nowPods are the application's pods as they are now.
func (c *Cluster) nowPods() map[string]podMemory {
	c.Helper()
	var pods map[string]podMemory
	c.Eventually("the pods are Ready", func(ctx context.Context) (err error) {
		pods, err = c.webPods(ctx)
		return err
	})
	return pods
}
