//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

func TestDryRun(t *testing.T) {
	t.Parallel()
	c := New(t, "A dry run says what would be done, and changes nothing").NewCluster("")
	text := c.Skiff("create", "--dry-run")
	for _, word := range []string{c.Name, c.Node(), "volume", "network", "127.0.0.1:", "Kubernetes v1.37.2"} {
		if !strings.Contains(text, word) {
			t.Errorf("there is no %q in\n%s", word, text)
		}
	}
	var plan cluster.Plan
	c.SkiffJSON(&plan, "create", "--dry-run")
	if plan.Cluster != c.Name || len(plan.Steps) < 6 || !strings.HasPrefix(plan.Endpoint, "https://127.0.0.1:") {
		t.Errorf("%+v", plan)
	}
	c.Gone()
	if _, err := os.Stat(c.Kubeconfig); err == nil {
		t.Error("there is a kubeconfig")
	}
}

func TestCreateUnderAnyCircumstances(t *testing.T) {
	c := Own(t, 1, "The name of a cluster is free again at once, time after time; what create prints is what there is").NewCluster("")
	mine := c.WriteFile(c.Kubeconfig, "# my own file\napiVersion: v1\nkind: Config\n", 0o600)
	before := c.ReadFile(mine)
	endpoints := map[string]bool{}
	for i := range 5 {
		c.Step("create and delete, round %d", i+1)
		var created struct {
			cluster.Cluster
			Context string
			Seconds float64
		}
		c.SkiffJSON(&created, "create")
		if created.Name != c.Name || created.State != cluster.StateRunning || created.Context != c.ContextName() || created.Seconds <= 0 {
			t.Errorf("%+v", created)
		}
		endpoints[created.Endpoint] = true
		if i == 0 {
			c.isListed(created.Cluster)
		}
		var deleted map[string][]string
		c.SkiffJSON(&deleted, "delete")
		if !slices.Equal(deleted["deleted"], []string{c.Name}) {
			t.Errorf("%v", deleted)
		}
		c.Gone()
	}
	if len(endpoints) != 1 {
		t.Errorf("the cluster moved: %v", endpoints)
	}
	if after := c.ReadFile(mine); !strings.HasPrefix(after, before) {
		t.Errorf("the kubeconfig was\n%s\nand is\n%s", before, after)
	}
	c.Step("there is nothing to delete any more")
	c.Fails(c.TrySkiff("delete"), exitNotFound, c.Name)
	var deleted map[string][]string
	c.SkiffJSON(&deleted, "delete", "--ignore-not-found")
	if deleted["deleted"] == nil || len(deleted["deleted"]) != 0 {
		t.Errorf("%v", deleted)
	}
}

// isListed checks that every command that shows a cluster shows the same one.
func (c *Cluster) isListed(created cluster.Cluster) {
	c.Helper()
	same := func(a, b any) bool {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return string(x) == string(y)
	}
	all := c.list()
	if i := slices.IndexFunc(all, func(l cluster.Cluster) bool { return l.Name == c.Name }); i < 0 || !same(all[i], created) {
		c.Errorf("created %+v, listed %+v", created, all)
	}
	var nodes []cluster.Node
	c.SkiffJSON(&nodes, "node", "list")
	if !same(nodes, created.Nodes) {
		c.Errorf("created %+v, node list %+v", created.Nodes, nodes)
	}
	var status cluster.Status
	c.SkiffJSON(&status, "status")
	if len(status.Nodes) != 1 || !same(status.Nodes[0].Node, created.Nodes[0]) || status.Nodes[0].Report == nil {
		c.Fatalf("status %+v", status)
	}
	for _, component := range status.Nodes[0].Report.Components {
		if component.State != nodeapi.StateReady || component.Since.IsZero() || component.PID == 0 {
			c.Errorf("%+v", component)
		}
	}
	for _, args := range [][]string{{"list"}, {"node", "list"}, {"status"}} {
		if out := c.Skiff(args...); !strings.Contains(out, "running") || !strings.Contains(out, c.Name) {
			c.Errorf("skiff %v: %s", args, out)
		}
	}
}

func TestEphemeral(t *testing.T) {
	c := Own(t, 1, "Only a cluster that was asked to be ephemeral has a datastore that skips fsync, and says so").NewCluster("")
	c.Create("--ephemeral", "--no-kubeconfig")
	if _, err := os.Stat(c.Kubeconfig); err == nil {
		t.Error("there is a kubeconfig, against --no-kubeconfig")
	}
	c.isEphemeral(true)
	c.Skiff("delete")
	c.Create()
	c.isEphemeral(false)
}

func (c *Cluster) isEphemeral(wanted bool) {
	c.Helper()
	var config nodeapi.Config
	text := c.InNode("cat", nodeapi.ConfigPath)
	c.Must(json.Unmarshal([]byte(text), &config), "read the node's configuration")
	label := strings.TrimSpace(c.Docker("inspect", "--format", fmt.Sprintf("{{index .Config.Labels %q}}", nodeapi.LabelEphemeral), c.Node()))
	listed := slices.ContainsFunc(c.list(), func(l cluster.Cluster) bool { return l.Name == c.Name && l.Ephemeral })
	if config.Ephemeral != wanted || (label == "true") != wanted || listed != wanted {
		c.Errorf("ephemeral: %t in the node, label %q, listed %t; want %t", config.Ephemeral, label, listed, wanted)
	}
}

func TestPortIsTaken(t *testing.T) {
	c := Own(t, 1, "A port that is taken is refused if it was asked for, and avoided if not").NewCluster("")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	c.Must(err, "take a port")
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	c.Fails(c.TrySkiff("create", "--api-port", port), exitHost, port, "--api-port")
	c.Gone()

	c.Step("the port that the name leads to is taken")
	var plan cluster.Plan
	c.SkiffJSON(&plan, "create", "--dry-run")
	wanted, err := net.Listen("tcp", strings.TrimPrefix(plan.Endpoint, "https://"))
	c.Must(err, "take the port")
	defer wanted.Close()
	c.Create()
	if got := c.Config().Host; got == plan.Endpoint {
		t.Errorf("the API is at %s, where somebody else listens", got)
	}
	c.Kubectl("get", "nodes")
}

func TestClusterExists(t *testing.T) {
	c := Own(t, 1, "Create on a name that is taken changes nothing, and says how to use or remove what is there").NewCluster("")
	c.Create()
	c.Kubectl("create", "configmap", "mine", "--from-literal=a=b")
	kubeconfig := c.ReadFile(c.Kubeconfig)
	refused := func(state cluster.State, words ...string) {
		before := c.Docker("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.State}}", "--filter", "name="+c.Node())
		c.Fails(c.TrySkiff("create", "--wait", "1s"), exitExists, append(words, c.Name, string(state), "skiff delete "+c.Name)...)
		if after := c.Docker("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.State}}", "--filter", "name="+c.Node()); after != before {
			t.Errorf("the container was %s and is %s", before, after)
		}
		if c.ReadFile(c.Kubeconfig) != kubeconfig {
			t.Error("the kubeconfig was changed")
		}
	}
	c.Step("it runs")
	refused(cluster.StateRunning, "skiff kubeconfig merge "+c.Name)
	c.Step("it is paused")
	c.Docker("pause", c.Node())
	refused(cluster.StatePaused, "skiff resume "+c.Name)
	c.Fails(c.TrySkiff("status"), exitNotReady, "paused", "skiff resume "+c.Name)
	c.Docker("unpause", c.Node())
	c.Kubectl("get", "configmap", "mine")

	c.Step("it is stopped: what needs it to run says how to start it, what does not works")
	c.Docker("stop", c.Node())
	refused(cluster.StateStopped, "skiff start "+c.Name)
	archive := c.WriteFile(filepath.Join(t.TempDir(), "archive.tar"), "", 0o600)
	for _, args := range [][]string{{"status"}, {"load", nodeImage(c)}, {"load", "--archive", archive}, {"node", "shell"}} {
		c.Fails(c.TrySkiff(args...), exitNotReady, "exited", "skiff start "+c.Name)
	}
	if out := c.Skiff("kubeconfig"); !strings.Contains(out, c.ContextName()) {
		t.Errorf("%s", out)
	}
	if out := c.Skiff("list"); !strings.Contains(out, "stopped") {
		t.Errorf("%s", out)
	}
	c.Skiff("delete")
	c.Gone()

	c.Step("it is half made")
	for kind, make := range map[event.Kind][]string{event.KindVolume: {"volume", "create", "--label"}, event.KindNetwork: {"network", "create", "--label"}} {
		c.Docker(append(make, nodeapi.LabelCluster+"="+c.Name, "skiff-"+c.Name+"-rest")...)
		c.Fails(c.TrySkiff("create"), exitExists, c.Name, "skiff delete "+c.Name)
		c.Fails(c.TrySkiff("status"), exitNotReady, "no node", "skiff delete "+c.Name)
		c.Fails(c.TrySkiff("kubeconfig"), exitNotReady, "skiff delete "+c.Name)
		c.Skiff("delete")
		if found := c.remains(); len(found) != 0 {
			t.Errorf("a %s is left: %v", kind, found)
		}
	}

	c.Step("what has one of the names and is not Skiff's stays as it is")
	c.Docker("network", "create", "skiff-"+c.Name)
	t.Cleanup(func() { c.Docker("network", "rm", "skiff-"+c.Name) })
	c.Fails(c.TrySkiff("create"), exitExists, "skiff-"+c.Name, "not Skiff's", "docker network rm skiff-"+c.Name)
	c.Fails(c.TrySkiff("delete"), exitNotFound, c.Name)
}

// nodeImage is the image that the cluster's node was made from.
func nodeImage(c *Cluster) string {
	c.Helper()
	return strings.TrimSpace(c.Docker("inspect", "--format", "{{.Config.Image}}", c.Node()))
}
