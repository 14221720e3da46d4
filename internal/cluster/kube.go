package cluster

import (
	"context"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Kube is what is asked of a cluster's own API when nodes change and go. Package kube implements it with upstream's code.
type Kube interface {
	// Drain keeps new pods away from a node and evicts those that are there, as `kubectl drain` does, with those that
	// no controller makes again. progress is told of each. A node that has no object is drained. cordoned is true, also
	// with an error, if new pods came to the node before.
	Drain(ctx context.Context, creds *Credentials, node string, progress func(string)) (cordoned bool, err error)
	// Uncordon lets pods come to a node again.
	Uncordon(ctx context.Context, creds *Credentials, node string) error
	// Interrupted are the nodes to which no pods come because a change of the cluster, not the user, kept them away and did
	// not come to its end.
	Interrupted(ctx context.Context, creds *Credentials) (nodes []string, err error)
	// Vacate is Drain for a node that will be back in a moment: pods that no controller makes again stay, and start again
	// with it.
	Vacate(ctx context.Context, creds *Credentials, node string, progress func(string)) (cordoned bool, err error)
	// ChangeNode changes labels and taints of a node's object.
	ChangeNode(ctx context.Context, creds *Credentials, node string, change NodeChange) error
	// Settle waits until nodes that were frozen have each given a sign of life after a time of their own clock, are Ready,
	// and are not given up any more for the time that they gave none.
	Settle(ctx context.Context, creds *Credentials, nodes []string, since time.Time) error
	// DeleteNode removes a node's object. That it is gone is no failure.
	DeleteNode(ctx context.Context, creds *Credentials, node string) error
}

// NodeChange is a change of a node's object. Labels and taints that it does not name stay as they are.
type NodeChange struct {
	SetLabels    map[string]string
	RemoveLabels []string
	// Taints are told apart by key and effect.
	SetTaints, RemoveTaints []nodeapi.Taint
}
