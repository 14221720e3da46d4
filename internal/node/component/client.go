package component

import (
	"context"
	"errors"
	"net"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// ownUser is the user for what this process does in its own name: the administrator on a server, and on an agent the
// kubelet, which may read nodes and make its own.
func (n *Node) ownUser() string {
	if n.Role == nodeapi.RoleServer {
		return "admin"
	}
	return NameKubelet
}

// NewClient is a client for what this process does in its own name.
func NewClient(n *Node) (kubernetes.Interface, error) { return newClientOf(n, n.ownUser()) }

// newClientOf is a client of one of the node's users.
func newClientOf(n *Node, user string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", n.Kubeconfig(user))
	if err != nil {
		return nil, err
	}
	config.UserAgent = "skiff-node"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	return kubernetes.NewForConfig(config)
}

// unreachableRetry is the pause after a request that did not get through; there was one of ten seconds before it.
const unreachableRetry = 100 * time.Millisecond

// untilReached does something with a client until it gets an answer. At the [Door] of an API server that takes long,
// a client's patience of ten seconds with a handshake may end before the door is opened.
func untilReached(ctx context.Context, do func() error) error {
	for {
		err := do()
		if network := net.Error(nil); err == nil || !errors.As(err, &network) {
			return err
		}
		select {
		case <-time.After(unreachableRetry):
		case <-ctx.Done():
			return err
		}
	}
}
