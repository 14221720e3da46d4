// Package fakenode is the program of a node for containers of package dockertest: it reads what a node is given,
// tells of a start that goes well, answers the API's /readyz with the cluster's own certificates (api.go), keeps a list of
// the datastore's members (datastore.go), and does what the command line asks of skiff-node. With it, clusters can be created in memory.
//
//	e := dockertest.New()
//	fakenode.Install(e)
package fakenode

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker/dockertest"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Install makes every container of an engine a node.
func Install(e *dockertest.Engine) {
	e.ListenOnPorts()
	e.HaveDirectories(nodeapi.StateDir)
	e.OnStart(Run)
	e.OnExec(Exec)
	e.After("CreateContainer", 0, func(context.Context) error { return makeStateDirs(e) })
}

// makeStateDirs gives edges, which have no volume, the directory that is in the node image.
func makeStateDirs(e *dockertest.Engine) error {
	for _, object := range e.Objects() {
		name, isContainer := strings.CutPrefix(object, "container ")
		if spec, _ := e.Spec(name); !isContainer || len(spec.Volumes) > 0 {
			continue
		}
		if err := e.WriteFile(name, path.Join(nodeapi.StateDir, "log", "empty"), nil); err != nil && fault.CodeOf(err) != fault.NotFound {
			return err
		}
	}
	return nil
}

// Components are what a node with a role says it runs, in the order in which they become ready.
func Components(role nodeapi.Role) []string {
	switch role {
	case nodeapi.RoleServer:
		return []string{"containerd", "etcd", "kube-apiserver", "kubelet"}
	case nodeapi.RoleAgent:
		return []string{"containerd", "balancer", "kubelet"}
	}
	return []string{"edge"}
}

// conditions are a node's part of the readiness contract.
func conditions(role nodeapi.Role) []string {
	return append([]string{nodeapi.ConditionComponents}, nodeapi.RemoteConditions(role)...)
}

// role is the node's, by its container's label.
func role(p *dockertest.Process) nodeapi.Role { return nodeapi.Role(p.Spec.Labels[nodeapi.LabelRole]) }

// Run is a node that becomes ready and runs until it is stopped.
func Run(p *dockertest.Process) int {
	stop, err := Start(p)
	if err != nil {
		p.Emit(nodeapi.Event{Kind: nodeapi.EventFatal, Message: err.Error()})
		return 1
	}
	defer stop()
	Tell(p)
	<-p.Stopping()
	return 0
}

// Start lets a server join the datastore, and serves what a node does; nothing is told.
func Start(p *dockertest.Process) (stop func(), err error) {
	config, err := Config(p)
	if err != nil {
		return nil, err
	}
	if config.Role == nodeapi.RoleServer {
		if err := joinDatastore(p, config); err != nil {
			return nil, err
		}
	}
	return Serve(p, nil)
}

// Tell emits the events of a start that goes well.
func Tell(p *dockertest.Process) {
	now := time.Now()
	for _, name := range conditions(role(p)) {
		p.Emit(nodeapi.Event{Time: now, Kind: nodeapi.EventCondition, Condition: &nodeapi.Condition{Name: name, Message: "the node is starting", Since: now}})
	}
	for _, state := range []nodeapi.State{nodeapi.StateWaiting, nodeapi.StateStarting, nodeapi.StateReady} {
		for _, name := range Components(role(p)) {
			p.Emit(nodeapi.Event{Time: now, Kind: nodeapi.EventComponent, Component: &nodeapi.ComponentStatus{Name: name, State: state, Since: now}})
		}
	}
	for _, name := range conditions(role(p)) {
		p.Emit(nodeapi.Event{Time: now, Kind: nodeapi.EventCondition, Condition: &nodeapi.Condition{Name: name, Met: true, Since: now}})
	}
	p.Emit(nodeapi.Event{Time: now, Kind: nodeapi.EventReady})
}

// Config is what the node was given.
func Config(p *dockertest.Process) (nodeapi.Config, error) {
	var config nodeapi.Config
	content, err := p.ReadFile(nodeapi.ConfigPath)
	if err != nil {
		return config, err
	}
	if err := json.Unmarshal(content, &config); err != nil {
		return config, fmt.Errorf("%s: %w", nodeapi.ConfigPath, err)
	}
	if config.APIVersion != nodeapi.ConfigVersion || config.Node != p.Name {
		return config, fmt.Errorf("%s is not of this node: %+v", nodeapi.ConfigPath, config)
	}
	return config, nil
}

// Exec answers what is run in a node: the commands of skiff-node, and nothing else.
func Exec(ctx context.Context, p *dockertest.Process, spec cluster.ExecSpec) (int, error) {
	if len(spec.Cmd) < 2 || spec.Cmd[0] != nodeapi.NodeBinary {
		fmt.Fprintf(spec.Stderr, "%q: not found\n", spec.Cmd)
		return 127, nil
	}
	var answer any
	var err error
	switch spec.Cmd[1] {
	case "member":
		answer, err = member(ctx, p, spec.Cmd[2:])
	case "status":
		answer, err = status(p)
	case "restart": // of what the process hosts; it reads its configuration again
		go Tell(p)
	case "images":
		answer, err = images(p)
	case "load":
		answer, err = load(p, spec.Stdin)
	default:
		err = fmt.Errorf("usage: skiff-node has no command %q", spec.Cmd[1])
	}
	if err == nil {
		err = json.NewEncoder(spec.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(spec.Stderr, "skiff-node:", err)
		return 1, nil
	}
	return 0, nil
}

// status is that of a node that is ready.
func status(p *dockertest.Process) (nodeapi.Status, error) {
	config, err := Config(p)
	s := nodeapi.Status{Cluster: config.Cluster, Node: config.Node, Role: config.Role, Ready: true}
	for _, name := range conditions(role(p)) {
		s.Conditions = append(s.Conditions, nodeapi.Condition{Name: name, Met: true})
	}
	for _, name := range Components(role(p)) {
		s.Components = append(s.Components, nodeapi.ComponentStatus{Name: name, State: nodeapi.StateReady, Version: "v1"})
	}
	return s, err
}
