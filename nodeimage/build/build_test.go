package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skiff-cluster/skiff/internal/buildflags"
)

func TestParseControl(t *testing.T) {
	got := parseControl("Package: nftables\nVersion: 1.0.6-2+deb12u2\n" +
		"Depends: libnftables1 (= 1.0.6-2), libc6 (>= 2.34), libedit2:any | libreadline8\nPre-Depends: base\n")
	want := deb{name: "nftables", version: "1.0.6-2+deb12u2", depends: []string{"libnftables1", "libc6", "libedit2", "base"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Packages are unpacked, not installed: their absolute links must not lead out of their directory, and older ones
// have files outside of /usr.
func TestFind(t *testing.T) {
	p := &packages{dir: t.TempDir(), versions: map[string]string{"a": "1", "b": "1"}}
	write(t, filepath.Join(p.root("b"), "lib/x/libfoo.so.1.2"), "library")
	link(t, "/lib/x/libfoo.so.1.2", filepath.Join(p.root("b"), "lib/x/libfoo.so.1"))
	link(t, "libfoo.so.1", filepath.Join(p.root("b"), "lib/x/libfoo.so"))
	link(t, "loop", filepath.Join(p.root("a"), "loop"))

	file, pkg, err := p.find("/usr/lib/x/libfoo.so")
	if err != nil || pkg != "b" || file != filepath.Join(p.root("b"), "lib/x/libfoo.so.1.2") {
		t.Errorf("got %q of %q, %v", file, pkg, err)
	}
	for _, name := range []string{"/usr/lib/x/none", "/loop"} {
		if _, _, err := p.find(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: want fs.ErrNotExist, got %v", name, err)
		}
	}
}

func TestMergeLinksPackagesIntoOneTree(t *testing.T) {
	p := &packages{dir: t.TempDir(), versions: map[string]string{"a": "1", "b": "1"}}
	write(t, filepath.Join(p.root("a"), "usr/bin/one"), "1")
	write(t, filepath.Join(p.root("b"), "usr/bin/two"), "2")
	for range 2 { // what is there already is no error
		root, err := p.merge()
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"one": "1", "two": "2"} {
			if got, err := os.ReadFile(filepath.Join(root, "usr/bin", name)); err != nil || string(got) != want {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	}
}

func TestStamped(t *testing.T) {
	dir := t.TempDir()
	file, stamp := filepath.Join(dir, "file"), filepath.Join(dir, "stamp")
	made := 0
	build := func(inputs string, fail error) {
		t.Helper()
		err := stamped(file, stamp, inputs, func() error {
			made++
			write(t, file, inputs)
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatalf("got %v, want %v", err, fail)
		}
	}
	expect := func(n int, what string) {
		t.Helper()
		if made != n {
			t.Errorf("%s: made %d times, want %d", what, made, n)
		}
	}
	build("1", nil)
	build("1", nil)
	expect(1, "the same inputs")
	build("2", nil)
	expect(2, "other inputs")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	build("2", nil)
	expect(3, "the file is gone")
	build("3", errors.New("failed"))
	build("3", nil)
	expect(5, "the last time failed")
}

// Every program of the table must be among go.mod's tools, or a tidied go.mod would lose its module.
func TestUpstreamProgramsAreTools(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(upstream)) {
		p := upstream[name]
		if !slices.Contains(strings.Fields(string(mod)), p.pkg) {
			t.Errorf("%s: %s is not in the tool block of go.mod", name, p.pkg)
		}
	}
}

func TestArgs(t *testing.T) {
	args := upstream["containerd"].args(buildflags.ModuleInfo{Version: "v1"})
	if last := args[len(args)-1]; last != "-ldflags="+buildflags.LinkerFlags("-X="+containerdModule+"/version.Version=v1") {
		t.Errorf("containerd is not told its version: %q", last)
	}
	args = upstream["runc"].args(buildflags.ModuleInfo{})
	if link := strings.Fields(args[len(args)-1]); !slices.Contains(link, "-extldflags=-static") || slices.Contains(args, "-buildmode=pie") {
		t.Errorf("runc is not static, or takes time to relocate itself: %q", args)
	}
}

func TestNewBuilderRefusesOtherArchitectures(t *testing.T) {
	if _, err := newBuilder(options{arch: "riscv64"}, t.TempDir()); err == nil {
		t.Error("there is no recipe for riscv64")
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}
