package cli

import (
	"context"
	"os"
	"sync"

	"github.com/skiff-cluster/skiff/internal/cli/kit"
	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/docker"
	"github.com/skiff-cluster/skiff/internal/kube/apply"
	"github.com/skiff-cluster/skiff/nodeimage"
)

// newDeps returns what commands depend on in the real program. It is the only place that knows that the engine is
// Docker and where the node image comes from. Nothing is opened before it is asked for.
func newDeps(streams kit.Streams) *kit.Deps {
	connect := sync.OnceValues(docker.New) // one pool of connections, however often a command asks
	return &kit.Deps{
		Streams: streams,
		Getenv:  os.Getenv,
		Engine: func(context.Context) (cluster.Engine, error) {
			engine, err := connect()
			if err != nil {
				return nil, err // not a nil *docker.Engine in an interface
			}
			return engine, nil
		},
		Image: nodeimage.Embedded,
		Applier: func(creds *cluster.Credentials) (kit.Applier, error) {
			applier, err := apply.New(creds)
			if err != nil {
				return nil, err // not a nil *apply.Applier in an interface
			}
			return applier, nil
		},
		ReleaseSignals: func() {},
	}
}
