package enginetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// tarball packs files by name; a name that ends in a slash is a directory.
func tarball(t *testing.T, files map[string]string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(files[name]))}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o700
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// fetch copies a path from a container and returns the files by their names in the stream, and their modes.
func (s *suite) fetch(t *testing.T, container, name string) (files map[string]string, modes map[string]int64) {
	t.Helper()
	r, err := s.CopyFrom(t.Context(), container, name)
	s.must(t, err)
	defer r.Close()
	files, modes = map[string]string{}, map[string]int64{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files, modes
		}
		s.must(t, err)
		modes[path.Clean(h.Name)] = h.Mode & 0o777
		if h.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(tr)
			s.must(t, err)
			files[path.Clean(h.Name)] = string(content)
		}
	}
}

func (s *suite) testFiles(t *testing.T) {
	volume := s.volume(t, "files")
	spec := s.spec("files", "read", "/data/sub/a")
	spec.Volumes = map[string]string{volume: "/data"}
	s.create(t, spec)
	want := map[string]string{"sub/a": "one\n", "sub/b": strings.Repeat("x", 100_000)}

	// Before it ever ran: this is how a node gets its configuration.
	s.must(t, s.CopyTo(t.Context(), spec.Name, "/data", tarball(t, map[string]string{"sub/": "", "sub/a": want["sub/a"], "sub/b": want["sub/b"]})))
	check := func(container, when string) {
		files, modes := s.fetch(t, container, "/data/sub")
		if !maps.Equal(files, want) || modes["sub/a"] != 0o600 || modes["sub"] != 0o700 {
			t.Errorf("%s: files %q, modes %v", when, slices.Sorted(maps.Keys(files)), modes)
		}
	}
	check(spec.Name, "before the start")
	if files, _ := s.fetch(t, spec.Name, "/data/sub/a"); files["a"] != "one\n" || len(files) != 1 {
		t.Errorf("one file: %q", files)
	}
	if s.executable != "" { // an engine in memory does not unpack images
		if files, _ := s.fetch(t, spec.Name, "/etc/greeting"); files["greeting"] != "hello from the image\n" {
			t.Errorf("a file of the image: %q", files)
		}
	}
	out, err := s.Attach(t.Context(), spec.Name)
	s.must(t, err)
	s.must(t, s.StartContainer(t.Context(), spec.Name))
	if got := s.readAll(t, out); got != "one\n" {
		t.Errorf("the program reads %q", got)
	}
	s.state(t, spec.Name, "exited")
	check(spec.Name, "after it ended")

	// The volume outlives the container.
	s.must(t, s.RemoveContainer(t.Context(), spec.Name))
	second := s.spec("files-2", "serve")
	second.Volumes = spec.Volumes
	s.start(t, second)
	check(second.Name, "in another container, which runs")
	s.must(t, s.CopyTo(t.Context(), second.Name, "/data/sub", tarball(t, map[string]string{"a": "two\n"})))
	want["sub/a"] = "two\n"
	check(second.Name, "written while it runs")
	var stdout bytes.Buffer
	code, err := s.Exec(t.Context(), second.Name, cluster.ExecSpec{Cmd: []string{programPath, "read", "/data/sub/a"}, Stdout: &stdout})
	if err != nil || code != 0 || stdout.String() != "two\n" {
		t.Errorf("a running program reads %q, %d, %v", &stdout, code, err)
	}

	s.want(t, s.CopyTo(t.Context(), second.Name, "/no/such/dir", tarball(t, map[string]string{"a": ""})), fault.NotFound)
	_, err = s.CopyFrom(t.Context(), second.Name, "/data/missing")
	s.want(t, err, fault.NotFound)
	broken := errors.New("the disk is on fire")
	if err := s.CopyTo(t.Context(), second.Name, "/data", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("the reader's error became %v", err)
	}
}
