//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// everything lists what there is in Docker, of Skiff's or not: "container NAME", and volumes and networks.
func everything(s *Scenario) []string {
	s.Helper()
	var all []string
	for kind, list := range map[string][]string{
		"container": {"ps", "--all", "--format", "{{.Names}}"},
		"network":   {"network", "ls", "--format", "{{.Name}}"},
		"volume":    {"volume", "ls", "--format", "{{.Name}}"},
	} {
		for name := range strings.FieldsSeq(s.Docker(list...)) {
			all = append(all, kind+" "+name)
		}
	}
	slices.Sort(all)
	return all
}

func TestCreateAndDelete(t *testing.T) {
	cycles := 3
	if allFaults() {
		cycles = 20
	}
	c := Own(t, 1, "However often a cluster is created and deleted, nothing is left behind").NewCluster("")
	anonymous := func() []string { // volumes that have no name, but a sum of 64 digits
		return slices.DeleteFunc(everything(c.Scenario), func(o string) bool { return len(o) != len("volume ")+64 })
	}
	before := anonymous()
	for i := range cycles {
		args := []string{"--ephemeral"}
		if i%5 == 1 {
			args = append(args, "--agents=1")
		}
		c.Create(args...)
		c.Kubectl("get", "nodes")
		c.Skiff("delete", c.Name)
		c.Gone()
	}
	if after := anonymous(); len(after) > len(before) {
		t.Errorf("volumes without a name: there were %d, and there are %d", len(before), len(after))
	}
	c.Step("%d times", cycles)
}

func TestSeveralClusters(t *testing.T) {
	s := Own(t, room, "Several clusters live side by side: what happens to one is not felt by another")
	one, two, three := s.NewCluster("one"), s.NewCluster("two"), s.NewCluster("three")
	all := []*Cluster{one, two, three}
	for _, c := range all {
		c.Kubeconfig = one.Kubeconfig
		c.Create("--ephemeral")
		c.Kubectl("create", "configmap", "mine", "--from-literal=of="+c.Name)
	}
	s.Step("one is stopped, another paused; the third goes on")
	one.Skiff("stop", one.Name)
	two.Skiff("pause", two.Name)
	three.Skiff("status")
	three.Kubectl("get", "nodes")
	states := map[string]cluster.State{}
	for _, each := range three.list() {
		states[each.Name] = each.State
	}
	if states[one.Name] != cluster.StateStopped || states[two.Name] != cluster.StatePaused || states[three.Name] != cluster.StateRunning {
		t.Errorf("the list says %v", states)
	}
	s.Step("one is started, the other goes on, and each has what is its own")
	one.Skiff("start", one.Name)
	two.Skiff("resume", two.Name)
	for _, c := range all {
		c.Skiff("status")
		if of := c.Kubectl("get", "configmap", "mine", "--output=jsonpath={.data.of}"); of != c.Name {
			t.Errorf("%s has the ConfigMap of %s", c.Name, of)
		}
	}
	s.Step("one is deleted, and the others stay")
	two.Skiff("delete", two.Name)
	two.Gone()
	one.Skiff("status")
	three.Skiff("status")
}

func TestClusterOfAnotherVersion(t *testing.T) {
	s := Own(t, 1, "A cluster outlives the skiff that made it: nodes of another image are listed, stopped, started and deleted")
	c := s.NewCluster("")
	image := c.otherImage()
	c.Create("--agents=1", "--image="+image)
	c.Kubectl("create", "configmap", "mine", "--from-literal=written=before")
	c.isOfImage(image)

	c.Step("stopped and started, as a whole and one node")
	c.Skiff("stop", c.Name)
	c.isOfImage(image)
	c.Skiff("start", c.Name)
	c.Skiff("node", "stop", "agent-1")
	c.Skiff("node", "start", "agent-1")
	c.Skiff("status")
	if got := c.Kubectl("get", "configmap", "mine", "--output=jsonpath={.data.written}"); got != "before" {
		t.Errorf("the ConfigMap holds %q", got)
	}
	c.Step("a node that is added is like the others")
	c.Skiff("node", "add", "--role=agent")
	c.isOfImage(image)
	c.Skiff("node", "remove", "agent-2")
	c.Step("deleted")
	c.Skiff("delete", c.Name)
	c.Gone()
}

// isOfImage checks that a cluster is listed, with nodes of an image.
func (c *Cluster) isOfImage(image string) {
	c.Helper()
	if !slices.ContainsFunc(c.list(), func(each cluster.Cluster) bool { return each.Name == c.Name }) {
		c.Errorf("it is not listed")
	}
	var nodes []cluster.Node
	c.SkiffJSON(&nodes, "node", "list")
	if len(nodes) < 2 {
		c.Errorf("its nodes: %v", nodes)
	}
	for _, n := range nodes {
		if n.Image != image {
			c.Errorf("%s is of image %s", n.Name, n.Image)
		}
	}
}

// otherImage makes a node image that is not the one that skiff carries, as one of another version would be.
func (c *Cluster) otherImage() string {
	c.Helper()
	var plan struct{ Image string }
	c.SkiffJSON(&plan, "create", "--dry-run")
	if c.TryDocker("image", "inspect", plan.Image).Code != 0 {
		c.Create("--ephemeral") // which loads it
		c.Skiff("delete", c.Name)
	}
	ref := "skiff-e2e/node-" + run.id + ":other"
	from := "FROM " + plan.Image + "\nLABEL " + nodeapi.LabelVersion + "=v0.0.1-other\n"
	build := command{stdin: from, args: []string{"docker", "build", "--tag", ref, "-"}}.run(c.Context())
	if build.Code != 0 {
		c.Fatalf("%s", build)
	}
	c.Cleanup(func() {
		if r := dockerRun("image", "rm", "--force", ref); r.Code != 0 {
			c.Errorf("%s", r)
		}
	})
	return ref
}
