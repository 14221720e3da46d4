package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
	kubeobjects "github.com/skiff-cluster/skiff/internal/objects"
)

// partTimeout is how long one part of a bundle may take, so that one that hangs does not hide the rest.
const partTimeout = 30 * time.Second

// part of a bundle.
type part struct {
	name    string // in the archive; a directory if it is several files
	collect func(context.Context, *bundle) error
}

// Bundle writes an archive (tar.gz) of all that helps to find out what is wrong with a cluster. What cannot be
// had is named in its errors.txt. The private keys of the cluster and the values of Secrets are not in it; what
// pods and ConfigMaps hold is.
func (s *Service) Bundle(ctx context.Context, name string, w io.Writer) error {
	o, err := observe(ctx, s.Engine)
	if err != nil {
		return err
	}
	c, err := o.get(name)
	if err != nil {
		return err
	}
	b := newBundle("skiff-"+name, w)
	var failures strings.Builder
	for _, p := range s.parts(o, c) {
		s.emit(event.Event{ID: "bundle/" + p.name, Kind: event.KindBundle, Subject: p.name, State: event.Started})
		partCtx, cancel := context.WithTimeout(ctx, partTimeout)
		err := p.collect(partCtx, b)
		cancel()
		switch {
		case ctx.Err() != nil:
			return canceled(ctx, "the collection", context.Cause(ctx)) // also if the part was done all the same
		case b.err != nil:
			return fmt.Errorf("write the archive: %w", b.err)
		}
		e := event.Event{ID: "bundle/" + p.name, Kind: event.KindBundle, Subject: p.name, State: event.Done}
		if err != nil {
			fmt.Fprintf(&failures, "%s: %v\n", p.name, err)
			e.State, e.Err = event.Failed, err
		}
		s.emit(e)
	}
	if failures.Len() > 0 {
		b.add("errors.txt", []byte(failures.String()))
	}
	if err := b.close(); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

// parts are all parts of a cluster's bundle.
func (s *Service) parts(o *observation, c *Cluster) []part {
	parts := []part{
		{"engine.json", func(_ context.Context, b *bundle) error { return b.addJSON("engine.json", o.engine) }},
		{"cluster.json", func(_ context.Context, b *bundle) error { return b.addJSON("cluster.json", c) }},
	}
	at := o.objects[c.Name]
	for _, n := range at.networks {
		parts = append(parts, s.inspection(KindNetwork, n.Name, n.ID))
	}
	for _, v := range at.volumes {
		parts = append(parts, s.inspection(KindVolume, v.Name, v.Name))
	}
	for _, n := range c.Nodes {
		parts = append(parts, s.inspection(KindContainer, n.Name, n.Name))
		parts = append(parts, s.nodeParts(n)...)
	}
	return append(parts, part{"objects", func(ctx context.Context, b *bundle) error { return s.dumpObjects(ctx, c, b) }})
}

// inspection is what the engine says of an object.
func (s *Service) inspection(kind ObjectKind, name, id string) part {
	file := path.Join("engine", string(kind)+"-"+name+".json")
	return part{file, func(ctx context.Context, b *bundle) error {
		raw, err := s.Engine.Inspect(ctx, kind, id)
		if err != nil {
			return err
		}
		return b.addJSON(file, raw)
	}}
}

// nodeParts are what a node knows of itself.
func (s *Service) nodeParts(n Node) []part {
	dir := path.Join("nodes", n.Name)
	output, logs, status := path.Join(dir, "output.log"), path.Join(dir, "log"), path.Join(dir, "status.json")
	parts := []part{
		{output, func(ctx context.Context, b *bundle) error {
			var log bytes.Buffer
			err := s.Engine.Logs(ctx, n.Name, 0, &log)
			b.add(output, log.Bytes())
			return err
		}},
		{logs, func(ctx context.Context, b *bundle) error {
			r, err := s.Engine.CopyFrom(ctx, n.Name, nodeapi.LogDir)
			if err != nil {
				return err
			}
			return errors.Join(b.addTree(logs, r), r.Close())
		}},
	}
	if n.State == NodeRunning {
		parts = append(parts, part{status, func(ctx context.Context, b *bundle) error {
			report, err := s.report(ctx, n.Name)
			if err != nil {
				return err
			}
			return b.addJSON(status, report)
		}})
	}
	return parts
}

// dumpObjects adds the cluster's objects, if its API answers.
func (s *Service) dumpObjects(ctx context.Context, c *Cluster, b *bundle) error {
	creds, err := s.credentials(ctx, c)
	if err != nil {
		return err
	}
	client, err := creds.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := askReadyz(ctx, client, creds.Server); err != nil {
		// An API server that is not ready may still answer; one that is not there never will.
		var answered notReadyAnswer
		if !errors.As(err, &answered) {
			return err
		}
	}
	// Warnings of deprecated kinds are for who writes objects.
	config := &rest.Config{Host: creds.Server, WarningHandler: rest.NoWarnings{}, TLSClientConfig: rest.TLSClientConfig{
		CAData: creds.CA, CertData: creds.ClientCert, KeyData: creds.ClientKey}}
	return kubeobjects.Dump(ctx, config, func(name string, content []byte) error {
		b.add(path.Join("objects", name), content)
		return b.err
	})
}
