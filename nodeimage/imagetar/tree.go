// Package imagetar writes container images without a container engine: a [Tree] of files becomes a layer,
// and layers and a configuration become an archive that every engine's "load" takes. What it writes depends
// on nothing but the files' names, modes and contents, so that the same input gives the same bytes.
package imagetar

import (
	"archive/tar"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Epoch is the time that every file and image carries: builds must not differ by when they were made.
var Epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Tree is the content of a layer. The zero value is empty and ready to use. Names are absolute; parents are
// made as needed, with mode 0755.
type Tree struct {
	entries map[string]entry
}

type entry struct {
	typeflag byte
	mode     int64
	link     string // target, of a symlink
	source   string // file on this machine that holds the content, or "" for data
	data     []byte
}

// Dir adds a directory.
func (t *Tree) Dir(name string, mode int64) {
	t.add(name, entry{typeflag: tar.TypeDir, mode: mode})
}

// File adds a file with the content of source, a file on this machine.
func (t *Tree) File(name, source string, mode int64) {
	t.add(name, entry{typeflag: tar.TypeReg, mode: mode, source: source})
}

// Data adds a file with the given content.
func (t *Tree) Data(name string, data []byte, mode int64) {
	t.add(name, entry{typeflag: tar.TypeReg, mode: mode, data: data})
}

// Symlink adds a symbolic link to target.
func (t *Tree) Symlink(name, target string) {
	t.add(name, entry{typeflag: tar.TypeSymlink, mode: 0o777, link: target})
}

// Has tells if there is an entry of that name.
func (t *Tree) Has(name string) bool {
	_, ok := t.entries[clean(name)]
	return ok
}

func (t *Tree) add(name string, e entry) {
	if t.entries == nil {
		t.entries = map[string]entry{}
	}
	name = clean(name)
	t.entries[name] = e
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := t.entries[dir]; !ok {
			t.entries[dir] = entry{typeflag: tar.TypeDir, mode: 0o755}
		}
	}
}

// WriteTo writes the tree as a tar stream: sorted by name, owned by root, dated [Epoch].
func (t *Tree) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	tw := tar.NewWriter(counted)
	for _, name := range slices.SortedFunc(maps.Keys(t.entries), compareNames) {
		if err := t.entries[name].write(tw, name); err != nil {
			return counted.n, fmt.Errorf("write /%s: %w", name, err)
		}
	}
	err := tw.Close()
	return counted.n, err
}

func (e entry) header(name string) *tar.Header {
	return &tar.Header{Typeflag: e.typeflag, Name: name, Mode: e.mode, Linkname: e.link, ModTime: Epoch, Format: tar.FormatPAX}
}

func (e entry) write(tw *tar.Writer, name string) error {
	header := e.header(name)
	switch {
	case e.typeflag == tar.TypeDir:
		header.Name += "/"
	case e.source != "":
		return e.writeSource(tw, header)
	}
	header.Size = int64(len(e.data))
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err := tw.Write(e.data)
	return err
}

func (e entry) writeSource(tw *tar.Writer, header *tar.Header) error {
	file, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(tw, file)
	return err
}

// compareNames sorts by path elements, so that a directory comes right before what is in it.
func compareNames(a, b string) int {
	return cmp.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
