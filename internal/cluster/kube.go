package cluster

import "context"

// Kube is what is asked of a cluster's own API when nodes go. Package kube implements it with upstream's code.
type Kube interface {
	// Drain keeps new pods away from a node and evicts those that are there, as `kubectl drain` does, with those that
	// no controller makes again. progress is told of each. A node that has no object is drained.
	Drain(ctx context.Context, creds *Credentials, node string, progress func(string)) error
	// Uncordon lets pods come to a node again.
	Uncordon(ctx context.Context, creds *Credentials, node string) error
	// DeleteNode removes a node's object. That it is gone is no failure.
	DeleteNode(ctx context.Context, creds *Credentials, node string) error
}
