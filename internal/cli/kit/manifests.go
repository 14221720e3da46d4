package kit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// Complete does what is left to do once a cluster is created: its context, and its manifests. Both are tried, whatever
// becomes of the other.
func (d *Deps) Complete(ctx context.Context, k *Kubeconfig, creds *cluster.Credentials, manifests []string, sink event.Sink) error {
	err := k.Merge(ctx, creds, sink)
	if err != nil {
		err = k.withoutContext(creds.Cluster, err)
	}
	return errors.Join(err, d.applyManifests(ctx, creds, manifests, sink))
}

// applyManifests applies a cluster file's manifests in their order to a cluster that was created, up to the first failure.
// The cluster stays as it is then.
func (d *Deps) applyManifests(ctx context.Context, creds *cluster.Credentials, files []string, sink event.Sink) error {
	if len(files) == 0 {
		return nil
	}
	applier, err := d.Applier(creds)
	if err != nil {
		return err
	}
	for i, file := range files {
		if err := applyManifest(ctx, applier, file, sink); err != nil {
			return notApplied(ctx, creds.Cluster, files[i:], err)
		}
	}
	return nil
}

// applyManifest applies a file and tells of it.
func applyManifest(ctx context.Context, applier Applier, file string, sink event.Sink) error {
	step := event.Event{ID: "manifest/" + file, Kind: event.KindManifest, Subject: file, State: event.Started}
	sink.Emit(step)
	err := applier.File(ctx, file, func(done, total int, next string) {
		progress := step
		progress.State, progress.Detail = event.Progress, next
		progress.Done, progress.Total, progress.Unit = int64(done), int64(total), "objects"
		sink.Emit(progress)
	})
	step.State, step.Err = event.Done, err
	if err != nil {
		step.State = event.Failed
	}
	sink.Emit(step)
	return err
}

// notApplied says what is to be done about the files that are left.
func notApplied(ctx context.Context, name string, left []string, err error) error {
	f := &fault.Error{Code: fault.ManifestRefused, Cause: err, Summary: fmt.Sprintf("cluster %s is ready, and its manifests are not all applied", name)}
	if ctx.Err() != nil {
		f.Code, f.Cause = fault.Canceled, context.Cause(ctx)
	}
	var commands []string
	for _, file := range left {
		commands = append(commands, fmt.Sprintf("'skiff --cluster %s kubectl apply --server-side -f %s'", name, file))
	}
	f.Hint = "The cluster stays. When the file is mended, run " + strings.Join(commands, ",\nthen ") + "."
	return f
}
