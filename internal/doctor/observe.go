package doctor

import (
	"context"

	"github.com/skiff-cluster/skiff/internal/cluster"
)

// Observe looks at the host. It never fails: what cannot be seen is a finding.
func Observe(ctx context.Context, connect func(context.Context) (cluster.Engine, error)) Host {
	engine, err := connect(ctx)
	if err != nil {
		return Host{EngineError: err}
	}
	info, err := engine.Info(ctx)
	if err != nil {
		return Host{EngineError: err}
	}
	h := Host{Engine: &info}
	if isThisKernel(info) {
		h.Kernel = readKernel(info)
	}
	return h
}
