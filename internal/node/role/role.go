// Package role says which components a node runs: one table per role.
package role

import (
	"fmt"
	"io"

	"go.uber.org/zap/zapcore"

	"github.com/skiff-cluster/skiff/internal/node/balancer"
	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/node/seed"
	"github.com/skiff-cluster/skiff/internal/node/supervise"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Logs gives each component that does not log through klog a place to write to.
type Logs interface {
	Writer(component string) io.Writer
}

// Components is the table of the node's role.
func Components(n *component.Node, logs Logs) ([]supervise.Component, error) {
	switch n.Role {
	case nodeapi.RoleServer:
		return server(n, logs)
	case nodeapi.RoleAgent:
		return agent(n, logs), nil
	default:
		return nil, fmt.Errorf("this node image has no role %q", n.Role)
	}
}

// server is the control plane and all that runs pods.
func server(n *component.Node, logs Logs) ([]supervise.Component, error) {
	door, err := component.OpenDoor(n)
	if err != nil {
		return nil, err
	}
	etcd := component.EtcdFor(n, zapcore.AddSync(logs.Writer(component.NameEtcd)))
	registered, controllers := make(chan struct{}), make(chan struct{})
	return []supervise.Component{
		component.Etcd(etcd, seed.Load(nodeapi.SeedPath)),
		component.APIServer(n, door, component.Seeded(n)),
		component.Registration(n, component.NameAPIServer, registered),
		component.ControllerManager(n, controllers),
		component.Scheduler(n),
		component.DNS(n),
		component.Kubelet(n, registered, controllers),
		component.KubeProxy(n),
		component.PodNetwork(n),
		component.PodRoutes(n, component.NameAPIServer),
	}, nil
}

// agent is what runs pods, with a balancer in the place of the API server.
func agent(n *component.Node, logs Logs) []supervise.Component {
	registered := make(chan struct{})
	return []supervise.Component{
		balancer.Component(balancer.Config{
			Name: component.NameBalancer, Listen: n.LocalAPI(), CAFile: n.PKI("ca.crt"), Servers: n.Servers, Log: logs.Writer(component.NameBalancer),
		}),
		component.Registration(n, component.NameBalancer, registered),
		component.HostDNS(n),
		component.Kubelet(n, registered, nil),
		component.KubeProxy(n),
		component.PodNetwork(n),
		component.PodRoutes(n, component.NameBalancer),
	}
}
