package cluster

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// bundle writes an archive with everything below one directory. Its first error in writing ends it; what is added
// afterwards is dropped.
type bundle struct {
	dir string
	zip *gzip.Writer
	tar *tar.Writer
	now time.Time
	err error
}

func newBundle(dir string, w io.Writer) *bundle {
	zip := gzip.NewWriter(w)
	return &bundle{dir: dir, zip: zip, tar: tar.NewWriter(zip), now: time.Now()}
}

// add adds a file.
func (b *bundle) add(name string, content []byte) {
	b.header(name, int64(len(content)), b.now)
	if b.err == nil {
		_, b.err = b.tar.Write(content)
	}
}

// addJSON adds a file with v in it.
func (b *bundle) addJSON(name string, v any) error {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	b.add(name, append(content, '\n'))
	return nil
}

// addTree adds the regular files of a tar stream whose names all begin with one directory, which is replaced.
func (b *bundle) addTree(dir string, r io.Reader) error {
	for tr := tar.NewReader(r); b.err == nil; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		_, below, _ := strings.Cut(path.Clean("/" + h.Name)[1:], "/")
		b.header(path.Join(dir, below), h.Size, h.ModTime)
		if b.err != nil {
			return nil
		}
		if n, err := io.Copy(b.tar, tr); err != nil {
			// A header that promised more would spoil all that follows.
			_, b.err = io.CopyN(b.tar, zeros{}, h.Size-n)
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return nil
}

// zeros is an endless file of nothing.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (b *bundle) header(name string, size int64, at time.Time) {
	if b.err == nil {
		b.err = b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(b.dir, name), Size: size, Mode: 0o600, ModTime: at})
	}
}

func (b *bundle) close() error {
	return errors.Join(b.err, b.tar.Close(), b.zip.Close())
}
