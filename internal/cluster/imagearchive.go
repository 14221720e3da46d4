package cluster

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// badArchive is the refusal of what is no archive of images, or not a whole one: the command line is wrong, not the
// cluster that would not take it.
func badArchive(summary string, cause error) error {
	return &fault.Error{Code: fault.Invalid, Summary: summary, Cause: cause,
		Hint: "Make one with 'docker save -o FILE IMAGE'."}
}

// archiveSource reads an archive that the user named. What is wrong with it is told as such.
type archiveSource struct{ io.ReadCloser }

func (s archiveSource) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = badArchive("the archive is not complete", err)
	default:
		err = badArchive("the archive cannot be read", err)
	}
	return n, err
}

// maxManifest is more than the list of an archive's images takes.
const maxManifest = 16 << 20

// checkArchive reads an archive, as `docker save` or an OCI tool writes it, up to its end, and refuses one that is
// none, is not whole, or names no image. Of a file that can be sought in, only what is between the layers is read.
func checkArchive(r io.Reader) error {
	var list archiveList
	tr := tar.NewReader(r)
	for first := true; ; first = false {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return list.check()
		case fault.CodeOf(err) == fault.Invalid:
			return err // of the source
		case err != nil && !first && errors.Is(err, io.ErrUnexpectedEOF):
			return badArchive("the archive is not complete", err)
		case err != nil && first:
			return badArchive("what is to be loaded is no archive of images", err)
		case err != nil:
			return badArchive("the archive is damaged", err)
		}
		if err := list.add(h, tr); err != nil {
			return err
		}
	}
}

// archiveList is what an archive says that it holds: Docker's list, and that of the OCI.
type archiveList struct {
	files  map[string]bool
	docker []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	oci struct {
		Manifests []struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"manifests"`
	}
}

// add takes in a file of the archive.
func (l *archiveList) add(h *tar.Header, content io.Reader) error {
	name := path.Clean("/" + h.Name)[1:]
	if l.files == nil {
		l.files = map[string]bool{}
	}
	l.files[name] = true
	var into any
	switch name {
	case "manifest.json":
		into = &l.docker
	case "index.json":
		into = &l.oci
	default:
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(content, maxManifest))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badArchive("the archive is not complete", err)
	case err != nil:
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return badArchive("the archive is damaged", fmt.Errorf("%s: %w", name, err))
	}
	return nil
}

// check refuses a list without names, and one of files that are not there: an archive that was cut between two files
// looks whole in every other respect.
func (l *archiveList) check() error {
	if !l.files["manifest.json"] && !l.files["index.json"] {
		if len(l.files) == 0 {
			return badArchive("the archive is empty", nil)
		}
		return badArchive("what is to be loaded is no archive of images", errors.New("neither manifest.json nor index.json is in it"))
	}
	named := false
	for _, m := range l.oci.Manifests {
		named = named || m.Annotations["io.containerd.image.name"] != "" || m.Annotations["org.opencontainers.image.ref.name"] != ""
	}
	for _, m := range l.docker {
		named = named || len(m.RepoTags) > 0
		for _, file := range slices.Concat([]string{m.Config}, m.Layers) {
			if !l.files[path.Clean("/" + file)[1:]] {
				return badArchive("the archive is not complete", fmt.Errorf("%s is not in it", file))
			}
		}
	}
	if !named {
		return &fault.Error{Code: fault.Invalid, Summary: "no image in the archive has a name, so that no pod could ask for it",
			Hint: "Save images by name, not by ID: 'docker save -o FILE NAME:TAG'."}
	}
	return nil
}

// inspector looks at a stream on its way. It is a writer that takes everything, and fails once it has seen enough.
type inspector struct {
	*io.PipeWriter
	verdict chan error
}

func newInspector(check func(io.Reader) error) *inspector {
	r, w := io.Pipe()
	i := &inspector{PipeWriter: w, verdict: make(chan error, 1)}
	go func() {
		err := check(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // what comes after the end of an archive fills its last block
		}
		_ = r.CloseWithError(err) // never fails
		i.verdict <- err
	}()
	return i
}

// end tells that the stream is over, with err if that is why, and returns err, or the verdict on the whole.
func (i *inspector) end(err error) error {
	_ = i.CloseWithError(err) // never fails
	if verdict := <-i.verdict; err == nil {
		return verdict
	}
	return err
}
