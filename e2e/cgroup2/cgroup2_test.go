//go:build linux

package main

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// outbox writes a disk as the machine leaves it: an archive, and zeros up to the disk's end.
func outbox(t *testing.T, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outbox")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if len(files) > 0 {
		tw := tar.NewWriter(file)
		for name, content := range files {
			if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(tw, content); err != nil {
				t.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadOutbox(t *testing.T) {
	tests := []struct {
		name    string
		files   map[string]string
		err     error
		failure string
	}{
		{name: "passed", files: map[string]string{"./report.json": `{"steps":[{"name":"a"}],"complete":true}`}},
		{name: "failed", files: map[string]string{"./report.json": `{"steps":[{"name":"a"},{"name":"b","failure":"broke"}]}`}, failure: "b: broke"},
		{name: "incomplete", files: map[string]string{"./report.json": `{"steps":[{"name":"a"}]}`}, failure: "the scenario did not reach its end"},
		{name: "logs only", files: map[string]string{"./journal.txt": "x"}, err: errNoReport},
		{name: "never written", err: errNoReport},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			r, err := readOutbox(outbox(t, test.files), dir)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err == nil && r.failure() != test.failure {
				t.Errorf("failure %q, want %q", r.failure(), test.failure)
			}
			for name, content := range test.files {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != content {
					t.Errorf("%s: %q, %v", name, got, err)
				}
			}
		})
	}
}

func TestReadOutboxStaysInItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "artifacts")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := readOutbox(outbox(t, map[string]string{"../escaped": "x"}), dir); !errors.Is(err, errNoReport) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "..", "escaped")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file outside the directory was written: %v", err)
	}
}

func TestWriteInbox(t *testing.T) {
	dir := t.TempDir()
	source, inbox := filepath.Join(dir, "source"), filepath.Join(dir, "inbox")
	if err := os.WriteFile(source, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeInbox(inbox, map[string]string{"guest": source}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tr := tar.NewReader(file)
	header, err := tr.Next()
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(tr); err != nil || string(data) != "content" || header.Name != "guest" || header.Mode != 0o755 {
		t.Errorf("%s, mode %o: %q, %v", header.Name, header.Mode, data, err)
	}
	if info, err := os.Stat(inbox); err != nil || info.Size()%512 != 0 {
		t.Errorf("a disk must be whole sectors: %v, %v", info, err)
	}
}

func TestCheckTools(t *testing.T) {
	err := checkTools([]tool{{"go", "golang"}, {"no-such-program", "its-package"}})
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("error %v", err)
	}
	if strings.Contains(f.Hint, "golang") || !strings.HasSuffix(f.Hint, " its-package") {
		t.Errorf("hint %q", f.Hint)
	}
	if err := checkTools([]tool{{"go", "golang"}}); err != nil {
		t.Error(err)
	}
}

func TestKeyFollowsTheChoice(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range []debian{{Suite: "bookworm", Mirror: "a"}, {Suite: "trixie", Mirror: "a"}, {Suite: "bookworm", Mirror: "b"}} {
		key, err := d.key()
		if err != nil {
			t.Fatal(err)
		}
		seen[key] = true
	}
	if len(seen) != 3 {
		t.Errorf("keys %v, want 3 different ones", seen)
	}
}

func TestCheckSkiff(t *testing.T) {
	file := filepath.Join(t.TempDir(), "skiff")
	if fault.CodeOf(checkSkiff(file)) != fault.NotFound {
		t.Errorf("a missing program: %v", checkSkiff(file))
	}
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if checkSkiff(file) == nil {
		t.Error("a script passed for a program of the machine")
	}
}

// A machine that is stuck must not outlive its context. The stand-in for it waits for ever.
func TestRunEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), []byte("#!/bin/sh\necho booted\nsleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := machine{Outbox: filepath.Join(dir, "outbox")}
	if err := m.run(ctx, writerFunc(func([]byte) { cancel() }), io.Discard); err == nil {
		t.Error("no error from a machine that was stopped")
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }
