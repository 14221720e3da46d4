//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

func TestTwoCreatesOfOneName(t *testing.T) {
	c := Own(t, 1, "Of two creates of one name exactly one succeeds, and its cluster is whole").NewCluster("")
	first, second := c.StartSkiff("create", "--output", "json"), c.StartSkiff("create", "--output", "json")
	winner, loser := first.Wait(), second.Wait()
	if winner.Code != 0 {
		winner, loser = loser, winner
	}
	if winner.Code != 0 || loser.Code != exitExists {
		t.Fatalf("%s\n\n%s", winner, loser)
	}
	var failure struct {
		Error struct{ Code, Message, Hint string }
	}
	c.Must(json.Unmarshal([]byte(lastLine(loser.Stderr)), &failure), "read the error of %s", loser)
	if e := failure.Error; e.Code != "exists" && e.Code != "conflict" || !strings.Contains(e.Message, c.Name) || !strings.Contains(e.Hint, "skiff delete "+c.Name) {
		t.Errorf("%+v", e)
	}

	c.Step("the cluster is what the winner said it is, and is there once")
	var created, listed cluster.Cluster
	c.Must(json.Unmarshal([]byte(winner.Stdout), &created), "read the output of %s", winner)
	for _, each := range c.list() {
		if each.Name == c.Name {
			listed = each
		}
	}
	if created.Endpoint == "" || listed.Endpoint != created.Endpoint || len(listed.Nodes) != 1 || len(c.remains()) != 3 {
		t.Errorf("created %+v, listed %+v, there is %v", created, listed, c.remains())
	}
	c.Skiff("status")
	c.Kubectl("get", "nodes")
	if url := c.Config().Host; url != created.Endpoint {
		t.Errorf("the kubeconfig leads to %s", url)
	}
}

func (c *Cluster) list() []cluster.Cluster {
	c.Helper()
	var all []cluster.Cluster
	c.SkiffJSON(&all, "list")
	return all
}

func TestTwoCreatesOfDifferentNames(t *testing.T) {
	s := Own(t, 2, "Creates of different names do not disturb each other, and share a kubeconfig")
	one, two := s.NewCluster("one"), s.NewCluster("two")
	two.Kubeconfig = one.Kubeconfig
	first, second := one.StartSkiff("create"), two.StartSkiff("create")
	for _, p := range []*Process{first, second} {
		if r := p.Wait(); r.Code != 0 {
			t.Errorf("%s", r)
		}
	}
	for _, c := range []*Cluster{one, two} {
		c.Skiff("status")
		if node := strings.TrimSpace(c.Kubectl("get", "nodes", "--output=name")); node != "node/"+c.Node() {
			t.Errorf("context %s leads to %s", c.ContextName(), node)
		}
	}
	s.Step("one goes, the other stays")
	one.Skiff("delete")
	one.Gone()
	two.Kubectl("get", "nodes")
	two.Skiff("status")
}
