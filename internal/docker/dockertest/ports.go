package dockertest

import (
	"net"
	"strconv"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// ListenOnPorts lets containers that are started from now on really listen on the host ports that they publish
// (TCP): a program in one gets its connections from [Process.Listener]. A port that another program has cannot be
// published then, as with Docker.
func (e *Engine) ListenOnPorts() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listen = true
}

// publish publishes the ports of a container that is being started. The caller holds mu.
func (e *Engine) publish(spec cluster.ContainerSpec) (map[uint16]net.Listener, error) {
	listeners := map[uint16]net.Listener{}
	for _, p := range spec.Ports {
		err := error(nil)
		taken := p.HostPort != 0 && e.portTaken(p.HostPort)
		if !taken && e.listen && p.Protocol != "udp" {
			var l net.Listener
			if l, err = net.Listen("tcp", net.JoinHostPort(p.HostIP, strconv.Itoa(int(p.HostPort)))); err == nil {
				listeners[p.ContainerPort] = l
			}
		}
		if taken || err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, &fault.Error{Code: fault.PortInUse, Summary: "a host port of " + spec.Name + " is already in use",
				Hint: "Choose another port, or stop what uses it.", Cause: err}
		}
	}
	return listeners, nil
}
