// Package role says which components a node runs: one table per role.
package role

import (
	"fmt"
	"io"

	"go.uber.org/zap/zapcore"

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
	controllers := make(chan struct{})
	return []supervise.Component{
		component.Etcd(etcd, seed.Load(nodeapi.SeedPath)),
		component.APIServer(n, door),
		component.Registration(n),
		component.ControllerManager(n, controllers),
		component.Scheduler(n),
		component.DNS(n),
		component.Kubelet(n, controllers),
		component.KubeProxy(n),
		component.PodNetwork(n),
	}, nil
}
