package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/fault"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// nodeImage is an image in a node, as the node lists it.
type nodeImage struct {
	Name string `json:"name"`
	// Digest and Config are the two digests that engines use as an image's ID.
	Digest string `json:"digest"`
	Config string `json:"config"`
}

// wantedImage is an image to be loaded.
type wantedImage struct {
	ref  string // as the engine has it
	full string // as containerd has it
	Image
}

// Load copies images of the engine into nodes, all of the cluster's if none are named, as one stream. Images that
// a node has are left out.
func (s *Service) Load(ctx context.Context, cluster string, nodes, images []string) error {
	c, err := s.Get(ctx, cluster)
	if err != nil {
		return err
	}
	targets, err := c.running(nodes)
	if err != nil {
		return err
	}
	var wanted []wantedImage
	for _, ref := range images {
		w, err := s.wanted(ctx, ref)
		if err != nil {
			return err
		}
		wanted = append(wanted, w)
	}
	missing, lacking, err := s.missing(ctx, targets, wanted)
	if err != nil {
		return canceled(ctx, "the loading of images", err)
	}
	var refs []string
	var size int64
	for _, w := range wanted {
		if !slices.ContainsFunc(missing, func(m wantedImage) bool { return m.full == w.full }) {
			s.emit(event.Event{ID: "load/" + w.ref, Kind: event.KindLoad, Subject: w.ref, State: event.Skipped})
			continue
		}
		if !slices.Contains(refs, w.ref) {
			refs = append(refs, w.ref)
			size += w.Size
		}
	}
	if len(refs) == 0 {
		return nil
	}
	return s.stream(ctx, strings.Join(refs, ", "), size, lacking, func(ctx context.Context) (io.ReadCloser, error) {
		return s.Engine.SaveImages(ctx, refs)
	})
}

// wanted finds an image in the engine, and the names that it goes by there and in a node.
func (s *Service) wanted(ctx context.Context, ref string) (wantedImage, error) {
	image, err := s.Engine.Image(ctx, ref)
	if fault.CodeOf(err) == fault.NotFound {
		return wantedImage{}, &fault.Error{Code: fault.NotFound, Summary: fmt.Sprintf("Docker has no image %s", ref),
			Hint: fmt.Sprintf("See which there are with 'docker images', or get it with 'docker pull %s'.", ref)}
	}
	if err != nil {
		return wantedImage{}, err
	}
	w := wantedImage{Image: image, full: normalised(ref)}
	for _, tag := range image.Tags {
		if normalised(tag) == w.full {
			w.ref = tag
			return w, nil
		}
	}
	if len(image.Tags) == 0 {
		return wantedImage{}, &fault.Error{Code: fault.Invalid, Summary: fmt.Sprintf("image %s has no name, so that no pod could ask for it", ref),
			Hint: fmt.Sprintf("Give it one: 'docker tag %s NAME:TAG'.", ref)}
	}
	w.ref, w.full = image.Tags[0], normalised(image.Tags[0]) // it was named by ID or digest
	return w, nil
}

// normalised is the full form of an image's name, as containerd uses it; "" if it is none.
func normalised(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	return reference.TagNameOnly(named).String()
}

// missing says which of the images at least one node lacks, and which nodes lack one.
func (s *Service) missing(ctx context.Context, nodes []Node, wanted []wantedImage) (images []wantedImage, lacking []Node, err error) {
	have := make([][]nodeImage, len(nodes))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, n := range nodes {
		group.Go(func() error {
			out, err := s.ask(groupCtx, n.Name, "images")
			if err != nil {
				return err
			}
			if err := json.Unmarshal(out, &have[i]); err != nil {
				return fmt.Errorf("the images of %s: %w", n.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	lacks := make([]bool, len(nodes))
	for _, w := range wanted {
		anywhere := false
		for i := range nodes {
			there := slices.ContainsFunc(have[i], func(h nodeImage) bool {
				return h.Name == w.full && (h.Digest == w.ID || h.Config == w.ID)
			})
			lacks[i] = lacks[i] || !there
			anywhere = anywhere || !there
		}
		if anywhere {
			images = append(images, w)
		}
	}
	for i, n := range nodes {
		if lacks[i] {
			lacking = append(lacking, n)
		}
	}
	return images, lacking, nil
}

// LoadArchive loads an archive, as `docker save` or an OCI tool writes it, into nodes. size is that of the archive,
// 0 if unknown.
func (s *Service) LoadArchive(ctx context.Context, cluster string, nodes []string, archive io.Reader, size int64) error {
	c, err := s.Get(ctx, cluster)
	if err != nil {
		return err
	}
	targets, err := c.running(nodes)
	if err != nil {
		return err
	}
	return s.stream(ctx, "archive", size, targets, func(context.Context) (io.ReadCloser, error) { return decompressed(archive) })
}

// stream sends one archive to all nodes at the same time; the slowest sets the pace.
func (s *Service) stream(ctx context.Context, subject string, size int64, nodes []Node, open func(context.Context) (io.ReadCloser, error)) (err error) {
	base := event.Event{ID: "load/" + subject, Kind: event.KindLoad, Subject: subject}
	tell := func(state event.State, err error) {
		e := base
		e.State, e.Err = state, err
		s.emit(e)
	}
	tell(event.Started, nil)
	defer func() {
		if err = canceled(ctx, "the loading of images", err); err != nil {
			tell(event.Failed, err)
		} else {
			tell(event.Done, nil)
		}
	}()
	group, groupCtx := errgroup.WithContext(ctx)
	archive, err := open(groupCtx)
	if err != nil {
		return err
	}
	var pipes []*io.PipeWriter
	sinks := []io.Writer{s.progress(base, size)}
	for _, n := range nodes {
		r, w := io.Pipe()
		pipes, sinks = append(pipes, w), append(sinks, w)
		group.Go(func() error {
			err := s.importInto(groupCtx, n.Name, r)
			// What is still being sent has nobody to go to.
			_ = r.CloseWithError(orEnded(err))
			return err
		})
	}
	// Not in the group: a read from a pipe or a terminal cannot be interrupted, and must not hold up the end.
	sent := make(chan struct{})
	var sendErr error // before sent is closed, and that before a node can see the end of its stream
	go func() {
		_, err := io.Copy(io.MultiWriter(sinks...), archive)
		// Once a node has failed, that the rest cannot be sent is no news.
		over := groupCtx.Err() != nil || errors.Is(err, errNodeEnded)
		if err = errors.Join(err, archive.Close()); !over {
			sendErr = err
		}
		close(sent)
		for _, w := range pipes {
			_ = w.CloseWithError(err) // nil is the end of the stream
		}
	}()
	stop := context.AfterFunc(groupCtx, func() {
		for _, w := range pipes {
			_ = w.CloseWithError(context.Cause(groupCtx))
		}
	})
	defer stop()
	err = group.Wait()
	select {
	case <-sent:
		if sendErr != nil && ctx.Err() == nil {
			return sendErr // what the nodes say of half an archive does not help
		}
	default:
	}
	return err
}

// errNodeEnded stops the sending to a node whose import is over.
var errNodeEnded = errors.New("the node has stopped reading")

func orEnded(err error) error {
	if err == nil {
		return errNodeEnded
	}
	return fmt.Errorf("%w: %w", errNodeEnded, err)
}

// importInto lets a node import an archive.
func (s *Service) importInto(ctx context.Context, node string, archive io.Reader) error {
	var out, errs bytes.Buffer
	code, err := s.Engine.Exec(ctx, node, ExecSpec{Cmd: []string{nodeapi.NodeBinary, "load"}, Stdin: archive, Stdout: &out, Stderr: &errs})
	if err != nil {
		return err
	}
	if code != 0 {
		return commandFailed(node, "load", code, errs.String())
	}
	var imported struct {
		Images []string `json:"images"`
	}
	if err := json.Unmarshal(out.Bytes(), &imported); err != nil {
		return fmt.Errorf("what %s says of the import: %w", node, err)
	}
	if len(imported.Images) == 0 {
		return &fault.Error{Code: fault.Invalid, Summary: "the archive holds no image with a name",
			Hint: "Make it with 'docker save NAME:TAG -o FILE'."}
	}
	return nil
}
