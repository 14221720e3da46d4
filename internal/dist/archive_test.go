package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// sample writes the files of an archive, in a directory of their own.
func sample(t *testing.T) []file {
	t.Helper()
	dir := t.TempDir()
	files := []file{{source: filepath.Join(dir, "skiff"), executable: true}, {source: filepath.Join(dir, "LICENSE")}}
	for _, f := range files {
		if err := os.WriteFile(f.source, []byte(filepath.Base(f.source)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

var want = []string{"-rwxr-xr-x skiff_v1/skiff skiff", "-rw-r--r-- skiff_v1/LICENSE LICENSE"}

func TestTarGz(t *testing.T) {
	var first, second bytes.Buffer
	if err := errors.Join(writeTarGz(&first, "skiff_v1", sample(t)), writeTarGz(&second, "skiff_v1", sample(t))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same files gave different archives")
	}
	gz, err := gzip.NewReader(&first)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(gz); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%v %s %s", header.FileInfo().Mode(), header.Name, data))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestZip(t *testing.T) {
	var first, second bytes.Buffer
	if err := errors.Join(writeZip(&first, "skiff_v1", sample(t)), writeZip(&second, "skiff_v1", sample(t))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same files gave different archives")
	}
	r, err := zip.NewReader(bytes.NewReader(first.Bytes()), int64(first.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err := errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%v %s %s", f.Mode(), f.Name, data))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChecksums(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checksums(dir, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n"
	if string(got) != empty {
		t.Errorf("got %q, want %q", got, empty)
	}
}
