// Package kubernetes is the process that hosts the Kubernetes components of a node. PID 1 starts it and
// reads its events from file descriptor 3; when a component fails, the process ends, and PID 1 starts it
// again. Pods do not notice: they belong to containerd.
package kubernetes

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/skiff-cluster/skiff/internal/node/component"
	"github.com/skiff-cluster/skiff/internal/node/machine"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// eventFD is the pipe to PID 1, on which events are written.
const eventFD = 3

// Main runs the program and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	switch {
	case len(args) == 0:
		if err = run(ctx); ctx.Err() != nil {
			err = nil // it was asked to stop
		}
	case args[0] == "seed" && len(args) == 3 && args[1] == "--out":
		err = writeSeed(ctx, args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: skiff-kubernetes             run the components of this node (started by skiff-node)\n"+
			"       skiff-kubernetes seed --out FILE   write the first content of a datastore")
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "skiff-kubernetes:", err)
		return 1
	}
	return 0
}

// run hosts the components of this node's role until ctx ends or one of them fails.
func run(ctx context.Context) error {
	stopProfile, err := startProfile()
	if err != nil {
		return err
	}
	defer stopProfile()
	config, err := nodeapi.ReadConfig(nodeapi.ConfigPath)
	if err != nil {
		return err
	}
	node, err := inspectNode(config)
	if err != nil {
		return err
	}
	if err := machine.ShowSettings(); err != nil {
		return err
	}
	if err := writeKubeconfigs(node); err != nil {
		return err
	}
	if err := setUpProcess(config.FeatureGates); err != nil {
		return err
	}
	limitMemory(config.MemoryBytes)
	events := newReporter(os.NewFile(eventFD, "events"))
	return host(ctx, node, events)
}

// kubeconfigUsers maps each kubeconfig to the name of the client certificate in the PKI directory.
var kubeconfigUsers = map[string]string{
	"admin":                         "admin",
	component.NameKubelet:           "kubelet-client",
	component.NameKubeProxy:         "kube-proxy",
	component.NameControllerManager: "kube-controller-manager",
	component.NameScheduler:         "kube-scheduler",
}

// writeKubeconfigs derives the kubeconfig of each user of this process from its certificate.
func writeKubeconfigs(n *component.Node) error {
	if err := os.MkdirAll(n.KubeconfigDir, 0o700); err != nil {
		return err
	}
	for user, cert := range kubeconfigUsers {
		if _, err := os.Stat(n.PKI(cert + ".crt")); os.IsNotExist(err) {
			continue // an agent does not hold the server's certificates
		}
		text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: default
clusters:
- name: default
  cluster: {server: %q, certificate-authority: %q}
users:
- name: default
  user: {client-certificate: %q, client-key: %q}
contexts:
- name: default
  context: {cluster: default, user: default}
`, n.ClientURL(), n.PKI("ca.crt"), n.PKI(cert+".crt"), n.PKI(cert+".key"))
		if err := os.WriteFile(n.Kubeconfig(user), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
