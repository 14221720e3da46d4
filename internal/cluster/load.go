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
	_, err = s.stream(ctx, transfer{subject: strings.Join(refs, ", "), size: size, open: func(ctx context.Context) (io.ReadCloser, error) {
		return s.Engine.SaveImages(ctx, refs)
	}}, lacking)
	return err
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

// LoadArchive loads an archive, as `docker save` or an OCI tool writes it, into nodes, and returns the names of the
// images that were in it. size is that of the archive, 0 if unknown. What can be seen of a file is looked at before
// anything is sent, and the rest on the way.
func (s *Service) LoadArchive(ctx context.Context, cluster string, nodes []string, archive io.Reader, size int64) ([]string, error) {
	c, err := s.Get(ctx, cluster)
	if err != nil {
		return nil, err
	}
	targets, err := c.running(nodes)
	if err != nil {
		return nil, err
	}
	if err := checkFile(archive); err != nil {
		return nil, err
	}
	return s.stream(ctx, transfer{subject: "archive", size: size, check: checkArchive, open: func(context.Context) (io.ReadCloser, error) {
		return decompressed(archive)
	}}, targets)
}

// checkFile looks through an archive that is a file and not compressed, and goes back to its beginning. Others are
// looked at no further than to see if they are compressed.
func checkFile(archive io.Reader) error {
	f, ok := archive.(io.ReadSeeker)
	if !ok {
		return nil
	}
	if _, err := f.Seek(0, io.SeekCurrent); err != nil {
		return nil // a pipe
	}
	compressed, err := isCompressed(f)
	if err != nil {
		return badArchive("the archive cannot be read", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if compressed {
		return nil // to see its end is to decompress all of it, which the transfer does anyway
	}
	if err := checkArchive(f); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// transfer is one archive that is sent to nodes.
type transfer struct {
	subject string
	size    int64 // 0: unknown
	open    func(context.Context) (io.ReadCloser, error)
	// check, if not nil, reads along and can refuse the archive.
	check func(io.Reader) error
}

// stream sends one archive to all nodes at the same time; the slowest sets the pace. It returns the names of the
// images that they found in it.
func (s *Service) stream(ctx context.Context, t transfer, nodes []Node) (names []string, err error) {
	base := event.Event{ID: "load/" + t.subject, Kind: event.KindLoad, Subject: t.subject}
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
			base.Subject = strings.Join(names, ", ") // an archive's are known only now
			tell(event.Done, nil)
		}
	}()
	group, groupCtx := errgroup.WithContext(ctx)
	archive, err := t.open(groupCtx)
	if err != nil {
		return nil, err
	}
	var pipes []*io.PipeWriter
	var sinks []io.Writer
	end := func(err error) error { return err }
	if t.check != nil {
		i := newInspector(t.check)
		sinks, end = append(sinks, i), i.end // before the nodes, so that they see nothing of what is refused
	}
	sinks = append(sinks, s.progress(base, t.size))
	imported := make([][]string, len(nodes))
	for i, n := range nodes {
		r, w := io.Pipe()
		pipes, sinks = append(pipes, w), append(sinks, w)
		group.Go(func() (err error) {
			imported[i], err = s.importInto(groupCtx, n.Name, r)
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
		err = end(err)
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
			return nil, sendErr // what the nodes say of half an archive does not help
		}
	default:
	}
	if err != nil {
		return nil, err
	}
	names = slices.Concat(imported...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// errNodeEnded stops the sending to a node whose import is over.
var errNodeEnded = errors.New("the node has stopped reading")

func orEnded(err error) error {
	if err == nil {
		return errNodeEnded
	}
	return fmt.Errorf("%w: %w", errNodeEnded, err)
}

// importInto lets a node import an archive, and returns the names of the images that were in it, as people write them.
func (s *Service) importInto(ctx context.Context, node string, archive io.Reader) ([]string, error) {
	var out, errs bytes.Buffer
	code, err := s.Engine.Exec(ctx, node, ExecSpec{Cmd: []string{nodeapi.NodeBinary, "load"}, Stdin: archive, Stdout: &out, Stderr: &errs})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, commandFailed(node, "load", code, errs.String())
	}
	var imported struct {
		Images []string `json:"images"`
	}
	if err := json.Unmarshal(out.Bytes(), &imported); err != nil {
		return nil, fmt.Errorf("what %s says of the import: %w", node, err)
	}
	if len(imported.Images) == 0 {
		return nil, badArchive("the archive holds no image with a name", nil)
	}
	for i, name := range imported.Images {
		if named, err := reference.ParseNormalizedNamed(name); err == nil {
			imported.Images[i] = reference.FamiliarString(named)
		}
	}
	return imported.Images, nil
}
