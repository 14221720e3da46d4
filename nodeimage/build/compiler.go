package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// compiler is a C compiler for the image's architecture.
type compiler struct {
	cc      string
	flags   []string // that every call needs
	env     []string
	version string
}

// seccompPackage has the header and the static library that runc is compiled against.
const seccompPackage = "libseccomp-dev"

// compiler finds a C compiler: the system's for its own architecture; for the other one the system's if it is
// installed, else Debian's, unpacked.
func (b *builder) compiler(ctx context.Context) (compiler, error) {
	var c compiler
	cross := b.machine.triplet + "-gcc"
	switch {
	case b.arch == runtime.GOARCH:
		c.cc = "gcc"
	case isInstalled(cross):
		c.cc = cross
	default:
		var err error
		if c, err = b.unpackCompiler(ctx); err != nil {
			return compiler{}, err
		}
	}
	out, err := command(ctx, "", c.env, c.cc, "--version")
	if err != nil {
		return compiler{}, err
	}
	c.version, _, _ = strings.Cut(string(out), "\n")
	return c, nil
}

func isInstalled(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// unpackCompiler unpacks Debian's cross compiler. It finds its own parts relative to itself, but not its shared
// libraries, nor the C library of the other architecture.
func (b *builder) unpackCompiler(ctx context.Context) (compiler, error) {
	name := "gcc-" + strings.ReplaceAll(b.machine.triplet, "_", "-")
	libc := "libc6-dev-" + b.arch + "-cross"
	parts := regexp.MustCompile(`^lib|` + regexp.QuoteMeta(strings.TrimPrefix(name, "gcc-")) + `$|-` + b.arch + `-cross$`)
	if err := b.tools.unpack(ctx, []string{name, libc}, parts); err != nil {
		return compiler{}, err
	}
	root, err := b.tools.merge()
	if err != nil {
		return compiler{}, err
	}
	target := filepath.Join(root, "usr", b.machine.triplet)
	flags := []string{
		"-B" + filepath.Join(target, "lib"), "-B" + filepath.Join(root, "usr/bin", b.machine.triplet+"-"),
		"-isystem", filepath.Join(target, "include"), "-L" + filepath.Join(target, "lib"),
	}
	libraries := filepath.Join(root, "usr/lib", b.native.machine.triplet)
	return compiler{
		cc:    filepath.Join(root, "usr/bin", b.machine.triplet+"-gcc"),
		flags: flags,
		env:   []string{"LD_LIBRARY_PATH=" + libraries},
	}, nil
}

// cgo returns the environment for compiling Go programs with C parts. The archive's libseccomp is described to them
// by a pkg-config of ours: the real one need not be installed, and would not know a package that is only unpacked.
func (b *builder) cgo(ctx context.Context, c compiler) ([]string, error) {
	if err := b.devel.unpack(ctx, []string{seccompPackage}, nil); err != nil {
		return nil, err
	}
	library, _, err := b.devel.find("/usr/lib/" + b.machine.triplet + "/libseccomp.a")
	if err != nil {
		return nil, err
	}
	include := filepath.Join(b.devel.root(seccompPackage), "usr/include")
	script := filepath.Join(b.cache, "pkg-config")
	text := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in\n*--cflags*) echo \"'-I%s'\" ;;\n*--libs*) echo -lseccomp ;;\nesac\n", include)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		return nil, err
	}
	// What depends on where this checkout lies is an argument of the compiler's. As a flag of the linker it would be
	// kept in Go's build cache with the packages (-trimpath leaves it out of their key), and the next checkout would
	// look for the library in this one.
	cc := strings.Join(append([]string{c.cc, "'-L" + filepath.Dir(library) + "'"}, c.flags...), " ")
	env := []string{
		"CGO_ENABLED=1", "CC=" + cc, "PKG_CONFIG='" + script + "'", "CGO_CFLAGS=-O2", "CGO_LDFLAGS=-O2",
	}
	b.versions["libseccomp"] = b.devel.versions[seccompPackage]
	return append(env, c.env...), nil
}

// merge links the files of all packages into one tree, as if they were installed there.
func (p *packages) merge() (string, error) {
	root := filepath.Join(p.dir, "root")
	for pkg := range p.versions {
		from := p.root(pkg)
		err := filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(from, file)
			if err != nil {
				return err
			}
			into := filepath.Join(root, name)
			if entry.IsDir() {
				return os.MkdirAll(into, 0o755)
			}
			if err := os.Link(file, into); !errors.Is(err, fs.ErrExist) {
				return err
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	return root, nil
}
