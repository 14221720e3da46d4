package kit

import (
	"context"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/doctor"
)

// Preflight warns of what of the host may be too little for so many more nodes, and fails if it certainly is. Call it
// before the first event, which may start an animation.
func (d *Deps) Preflight(ctx context.Context, engine cluster.Inspector, servers, agents int) error {
	warnings, err := doctor.Preflight(ctx, engine, servers, agents)
	for _, w := range warnings {
		d.Warn(w.Check+": "+w.Message, w.Fix)
	}
	return err
}
