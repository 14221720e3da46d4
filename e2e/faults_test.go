//go:build e2e

package e2e

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// allFaults asks for the whole matrix, and for everything else that takes minutes: `make e2e-faults`.
func allFaults() bool { return os.Getenv("E2E_FAULTS") == "all" }

// slow skips a scenario that is only in the whole matrix.
func slow(t *testing.T) {
	t.Helper()
	if !allFaults() {
		t.Skip("takes minutes: 'make e2e-faults' runs it, or E2E_FAULTS=all")
	}
}

// faults are what happens to a cluster. Each leaves it to recover by itself, or starts what does not.
var faults = []struct {
	name   string
	quick  string // the shapes for which it is not only in the whole matrix
	happen func(*Fleet)
}{
	{"kill", "one three", (*Fleet).eachIsKilled},
	{"restart", "one", (*Fleet).allAreRestarted},
	{"order", "one", (*Fleet).allStopAndStartInAnotherOrder},
	{"disconnect", "", (*Fleet).eachIsCutOff},
}

var shapes = []struct {
	name            string
	servers, agents int
}{
	{"one", 1, 1},
	{"three", 3, 1},
}

func TestFaults(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			s := Own(t, room, "Whatever happens to a node, all that was acknowledged is there afterwards, and all works")
			var made *Fleet
			for _, fault := range faults {
				t.Run(fault.name, func(t *testing.T) {
					if !strings.Contains(fault.quick, shape.name) {
						slow(t)
					}
					if s.Failed() {
						t.Skip("the cluster is broken")
					}
					if made == nil {
						made = s.NewCluster("").NewFleet(shape.servers, shape.agents)
					}
					made.in(t).through(fault.happen)
				})
			}
			t.Run("daemon", func(t *testing.T) {
				slow(t)
				if made != nil && !s.Failed() { // two such clusters need more inotify instances than many hosts have
					made.Skiff("delete", made.Name)
				}
				daemonIsRestarted(&Scenario{T: t, started: time.Now()}, shape.servers, shape.agents)
			})
		})
	}
}

// through lets something happen while the cluster is written to, and checks that it is whole afterwards.
func (f *Fleet) through(happen func(*Fleet)) {
	f.Helper()
	stop := f.ledger.keep(f.Context(), f.Cluster)
	defer stop()
	f.ledger.goesOn(f.Cluster)
	happen(f)
	f.ledger.goesOn(f.Cluster)
	stop()
	f.IsWhole()
}

// eachIsKilled kills one node after the other, and starts it when the others have noticed: Docker starts a container
// again that ended by itself, but not one that `docker kill` ended.
func (f *Fleet) eachIsKilled() {
	f.Helper()
	nodes := f.nodes()
	if f.servers > 1 { // the leader first, where most can go wrong
		leader := f.leader()
		nodes = append([]string{leader}, slices.DeleteFunc(nodes, func(n string) bool { return n == leader })...)
	}
	for _, node := range nodes {
		f.Step("docker kill %s", node)
		f.Docker("kill", node)
		switch {
		case strings.Contains(node, string(nodeapi.RoleServer)) && f.servers > 1:
			f.ledger.goesOn(f.Cluster)
			f.Step("%s is NotReady after %.1f s", node, f.becomesNotReady(node).Seconds())
		case strings.Contains(node, string(nodeapi.RoleAgent)):
			f.Step("%s is NotReady after %.1f s", node, f.becomesNotReady(node).Seconds())
		}
		f.Fails(f.TrySkiff("status"), exitNotReady, node)
		f.Step("it is started")
		f.Skiff("node", "start", node, "--wait=5m")
		f.ledger.goesOn(f.Cluster)
	}
}

// allAreRestarted restarts all nodes at once.
func (f *Fleet) allAreRestarted() {
	f.Helper()
	nodes := f.nodes()
	f.Step("docker restart %v", nodes)
	f.together(nodes, "restart")
}

// allStopAndStartInAnotherOrder stops all nodes and starts them again, the last server first.
func (f *Fleet) allStopAndStartInAnotherOrder() {
	f.Helper()
	nodes := f.nodes()
	f.Step("docker stop %v", nodes)
	f.together(nodes, "stop")
	slices.Reverse(nodes)
	for _, node := range nodes {
		f.Step("docker start %s", node)
		f.Docker("start", node)
	}
}

// cutOff is how long a node is away from the network.
const cutOff = 30 * time.Second

// eachIsCutOff takes a node of each role off the network for a while.
func (f *Fleet) eachIsCutOff() {
	f.Helper()
	network := "skiff-" + f.Name
	nodes := []string{f.leader(), f.node(nodeapi.RoleAgent, 1)}
	nodes = append(nodes, f.nodes(nodeapi.RoleEdge)...)
	for _, node := range nodes {
		f.Step("docker network disconnect %s", node)
		f.Docker("network", "disconnect", network, node)
		select {
		case <-time.After(cutOff): // the time is the fault
		case <-f.Context().Done():
		}
		f.Step("docker network connect %s", node)
		f.Docker("network", "connect", network, node)
		f.ledger.goesOn(f.Cluster)
		f.IsWhole()
	}
	// A server that comes back has lost the name that all of them share: who looks for it from the beginning must find it
	// all the same.
	for _, node := range f.nodes(nodeapi.RoleServer) {
		f.Docker("network", "disconnect", network, node)
		f.Docker("network", "connect", network, node)
	}
	clients := f.nodes(nodeapi.RoleAgent, nodeapi.RoleEdge)
	f.Step("all servers are cut off for a moment, then docker restart %v", clients)
	f.together(clients, "restart")
}

// daemonIsRestarted restarts Docker. Nobody wants that of the one that is there, so it is another one.
func daemonIsRestarted(s *Scenario, servers, agents int) {
	s.Helper()
	d := s.NewDaemon()
	f := d.NewCluster("").NewFleet(servers, agents, "--api-address="+d.Address)
	f.through(func(f *Fleet) {
		f.Step("Docker is stopped and started")
		d.restart()
	})
}

func TestServersDie(t *testing.T) {
	slow(t)
	s := Own(t, room, "Any one server may die without a call of kubectl that fails more than once, and without a gap in a watch")
	s.NewCluster("").NewFleet(3, 1).withoutEachServer("kill", func(f *Fleet, node string) {
		f.Skiff("node", "start", node, "--wait=5m")
	})
}

func TestServersFreeze(t *testing.T) {
	slow(t)
	s := Own(t, room, "Any one server may freeze without a call of kubectl that fails more than once, and without a gap in a watch")
	s.NewCluster("").NewFleet(3, 1).withoutEachServer("pause", func(f *Fleet, node string) {
		f.Docker("unpause", node)
	})
}

// withoutEachServer takes one server after the other away, with a command of docker's, and gives it back when the
// others have noticed.
func (f *Fleet) withoutEachServer(take string, giveBack func(f *Fleet, node string)) {
	f.Helper()
	seen := f.follow()
	stop := f.ledger.keep(f.Context(), f.Cluster)
	defer stop()
	for _, node := range f.nodes(nodeapi.RoleServer) {
		made, end := f.callAlong()
		made.more(f.Cluster, 5)
		f.Step("docker %s %s", take, node)
		f.Docker(take, node)
		made.more(f.Cluster, 20)
		f.Step("%s is NotReady after %.1f s", node, f.becomesNotReady(node).Seconds())
		f.Step("it is given back")
		giveBack(f, node)
		made.more(f.Cluster, 10)
		end()
		made.check(f.Cluster)
	}
	stop()
	f.IsWhole()
	f.Eventually("a watch has seen all that was written", func(context.Context) error { return f.ledger.seenBy(seen) })
}

func TestMajorityIsLost(t *testing.T) {
	slow(t)
	s := Own(t, room, "A cluster that has lost the majority of its servers says so, writes nothing, and is whole when they are back")
	f := s.NewCluster("").NewFleet(3, 1)
	stop := f.ledger.keep(f.Context(), f.Cluster)
	defer stop()
	f.ledger.goesOn(f.Cluster)
	lost := []string{f.node(nodeapi.RoleServer, 1), f.node(nodeapi.RoleServer, 3)}
	f.Step("docker kill %v", lost)
	f.together(lost, "kill")
	f.Eventually("status says that there is no majority, and so does the server that is left", func(ctx context.Context) error {
		r := skiffRun(ctx, f.env(), "status")
		said := r.Stdout + r.Stderr
		return want(r.Code == exitNotReady && strings.Contains(said, "no majority: 1 of its 3 servers") && strings.Contains(said, lost[0]+": is exited") &&
			strings.Contains(said, "etcd: no leader: no majority of the 3 members"), "%s", r)
	})
	f.Fails(f.TrySkiff("status"), exitNotReady, "no majority", "skiff start "+f.Name)
	if r := f.TryKubectl("create", "configmap", "lost", "--from-literal=a=b", "--request-timeout=10s"); r.Code == 0 {
		t.Errorf("it was written: %s", r)
	}
	f.Step("skiff start")
	f.Skiff("start", f.Name, "--wait=5m")
	f.ledger.goesOn(f.Cluster)
	stop()
	f.IsWhole()
}

func TestAgentIsLost(t *testing.T) {
	s := Own(t, room, "An agent that is stopped becomes NotReady after seconds, its pods move, and it rejoins")
	f := s.NewCluster("").NewFleet(1, 2)
	for _, node := range f.nodes() {
		var config nodeapi.Config
		f.Must(json.Unmarshal([]byte(f.Docker("exec", node, "cat", nodeapi.ConfigPath)), &config), "read what %s was told", node)
		if want := (nodeapi.NodeFailure{NotReadyAfter: 8 * time.Second, EvictAfter: 10 * time.Second}); config.NodeFailure != want {
			t.Errorf("%s was told %+v, want %+v", node, config.NodeFailure, want)
		}
	}
	stop := f.ledger.keep(f.Context(), f.Cluster)
	defer stop()
	for _, how := range []string{"stop", "kill"} {
		pod := f.podAt(f.HasEndpoints("web", 2)[0])
		node := f.Kubectl("get", "pod", pod, "--output=jsonpath={.spec.nodeName}")
		f.Step("docker %s %s", how, node)
		f.Docker(how, node)
		f.Step("it is NotReady after %.1f s", f.becomesNotReady(node).Seconds())
		f.Eventually("the application's pods are elsewhere, and answer", func(context.Context) error {
			out := f.Kubectl("get", "endpointslices", "--selector=kubernetes.io/service-name=web",
				"--output=jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.nodeName} {end}")
			nodes := strings.Fields(out)
			return want(len(nodes) == 2 && !slices.Contains(nodes, node), "they are on %v", nodes)
		})
		f.Step("its pods have moved")
		f.Skiff("node", "start", node)
		f.Step("it is back")
		f.Eventually("its former pod is gone", func(context.Context) error {
			r := f.TryKubectl("get", "pod", pod)
			return want(r.Code != 0 && strings.Contains(r.Stderr, "NotFound"), "%s", r)
		})
	}
	stop()
	f.IsWhole()
}

func TestClusterIsStopped(t *testing.T) {
	slow(t)
	s := Own(t, room, "A cluster of several servers stops and starts as a whole, with all that was acknowledged")
	f := s.NewCluster("").NewFleet(3, 1)
	for range 2 {
		f.through(func(f *Fleet) {
			f.Step("skiff stop")
			f.Skiff("stop", f.Name)
			for _, node := range f.nodes() {
				if state := strings.TrimSpace(f.Docker("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", node)); state == "exited 137" || !strings.HasPrefix(state, "exited") {
					f.Errorf("%s: %s", node, state)
				}
			}
			f.Fails(f.TrySkiff("status"), exitNotReady, "is exited", "skiff start")
			f.Step("skiff start")
			f.Skiff("start", f.Name, "--wait=5m")
		})
	}
}

func TestClusterIsPaused(t *testing.T) {
	s := Own(t, room, "A cluster that is paused goes on where it was when it is resumed: pods are not started again")
	f := s.NewCluster("").NewFleet(1, 1)
	counter := f.NewPod("counter", "print", "--lines=1000000", "--every=50ms")
	f.CreatePod(counter)
	before := f.PodReady("counter").Status.ContainerStatuses[0]
	stop := f.ledger.keep(f.Context(), f.Cluster)
	defer stop()
	f.ledger.goesOn(f.Cluster)
	f.Step("skiff pause")
	f.Skiff("pause", f.Name)
	f.Fails(f.TrySkiff("status"), exitNotReady, "is paused", "skiff resume "+f.Name)
	counted := f.counted()
	select {
	case <-time.After(pauseTime): // longer than any lease and grace: nothing may count it
	case <-f.Context().Done():
	}
	if now := f.counted(); now != counted {
		t.Errorf("it counted on while it was paused, from %d to %d", counted, now)
	}
	f.Step("skiff resume")
	f.Skiff("resume", f.Name)
	f.Kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=0") // at once
	f.Eventually("the counter goes on", func(context.Context) error {
		now := f.counted()
		return want(now > counted, "it is at %d, and was at %d", now, counted)
	})
	stop()
	f.IsWhole()
	after := f.PodReady("counter").Status.ContainerStatuses[0]
	if after.ContainerID != before.ContainerID || after.RestartCount != before.RestartCount {
		t.Errorf("the counter was started again: %+v, %+v", before, after)
	}
	lines := strings.Fields(f.Kubectl("logs", "counter"))
	for i := 3; i < len(lines); i += 2 {
		if lines[i] != fmt.Sprint((i+1)/2) {
			t.Fatalf("the counter's line %d says %s", (i+1)/2, lines[i])
		}
	}
}

// pauseTime is how long a cluster is frozen.
const pauseTime = 20 * time.Second

// counted is the number in the last line of the counter's log, as the agent's volume has it: a paused node answers
// nothing.
func (f *Fleet) counted() int {
	f.Helper()
	logs := f.Docker("cp", f.node(nodeapi.RoleAgent, 1)+":"+nodeapi.StateDir+"/log/pods", "-")
	last, n := "", -1
	for name, text := range f.tarFiles(logs) {
		if match, _ := path.Match("pods/*_counter_*/main/*.log", name); !match || name < last {
			continue
		}
		// What was written of a line that is not whole yet is none.
		whole := strings.TrimSpace(text[:strings.LastIndexByte(text, '\n')+1])
		if words := strings.Fields(whole[strings.LastIndexByte(whole, '\n')+1:]); len(words) > 0 {
			number, err := strconv.Atoi(words[len(words)-1])
			f.Must(err, "read the counter's last line %q", words)
			last, n = name, number
		}
	}
	return n
}

// tarFiles are the contents of an archive's regular files.
func (s *Scenario) tarFiles(archive string) map[string]string {
	s.Helper()
	files := map[string]string{}
	for r := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		s.Must(err, "read an archive")
		if header.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(r)
			s.Must(err, "read %s of an archive", header.Name)
			files[header.Name] = string(text)
		}
	}
}

func TestNodesComeAndGo(t *testing.T) {
	slow(t)
	s := Own(t, room, "Servers and agents are added and removed while a cluster is written to, and nothing is lost")
	f := s.NewCluster("").NewFleet(1, 1)
	stop := f.ledger.keep(f.Context(), f.Cluster)
	defer stop()
	step := func(say string, servers, agents int, args ...string) {
		t.Helper()
		f.ledger.goesOn(f.Cluster)
		f.Step("%s", say)
		began := time.Now()
		f.Skiff(append([]string{"node"}, args...)...)
		f.Step("it took %.1f s", time.Since(began).Seconds())
		f.servers, f.agents = servers, agents
		f.LoadImages()
		f.IsWhole()
		var names []string
		for _, m := range f.members(f.nodes(nodeapi.RoleServer)[0]) {
			names = append(names, m.Name)
			if m.Learner {
				t.Errorf("%s has no vote", m.Name)
			}
		}
		slices.Sort(names)
		if servers := f.nodes(nodeapi.RoleServer); !slices.Equal(names, servers) {
			t.Errorf("the members of the datastore are %v, the servers %v", names, servers)
		}
	}
	step("a second agent", 1, 2, "add", "--role=agent")
	step("from one server to three", 3, 2, "add", "--role=server", "--count=2")
	step("the first server goes", 2, 2, "remove", f.node(nodeapi.RoleServer, 1))
	step("a server comes in its place", 3, 2, "add", "--role=server")
	step("the first agent goes", 3, 1, "remove", f.node(nodeapi.RoleAgent, 1))
	stop()
	f.IsWhole()
}

func TestAdditionIsKilled(t *testing.T) {
	slow(t)
	s := Own(t, room, "A skiff that is killed while it adds a server leaves a cluster that works, and a node that is seen and can be removed")
	f := s.NewCluster("").NewFleet(3, 0)
	stop := f.ledger.keep(f.Context(), f.Cluster)
	defer stop()
	added := f.node(nodeapi.RoleServer, 3)
	f.Skiff("node", "remove", added)
	f.servers = 2
	for _, at := range []moment{
		{event.KindNode, "", event.Done},                // its container is made
		{event.KindStart, "", event.Started},            // it is started
		{event.KindComponent, "etcd", event.Done},       // it has joined
		{event.KindComponent, "kubelet", event.Started}, // it may be a node already
	} {
		f.Step("skiff node add is killed at %q", at)
		if r, _ := f.signalAt(f.env(), at, syscall.SIGKILL, "node", "add", "--role=server"); r.Code != -1 {
			t.Fatalf("it was not killed: %s", r)
		}
		f.ledger.goesOn(f.Cluster)
		if nodes := f.nodes(nodeapi.RoleServer); !slices.Contains(nodes, added) {
			t.Errorf("the servers are %v", nodes)
		}
		f.Step("it is removed")
		f.Skiff("node", "remove", added)
		for _, m := range f.members(f.node(nodeapi.RoleServer, 1)) {
			if m.Name == added {
				t.Errorf("it is a member yet: %+v", m)
			}
		}
	}
	f.Step("it is added")
	f.Skiff("node", "add", "--role=server")
	f.servers = 3
	f.LoadImages()
	stop()
	f.IsWhole()
}
