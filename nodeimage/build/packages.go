package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// packages is a set of Debian packages, each unpacked into a directory of its own.
type packages struct {
	apt     *apt
	dir     string
	refresh bool
	// versions by package, once unpacked.
	versions map[string]string
}

// packagesRecord is kept in the directory, to know what is there.
type packagesRecord struct {
	Wanted   []string          `json:"wanted"`
	Follow   string            `json:"follow"`
	Versions map[string]string `json:"versions"`
}

// unpack makes sure that the wanted packages are there, with those of their dependencies, direct or not, whose name
// matches follow; nil follows none. What is there already stays as it is, unless a refresh is asked for.
func (p *packages) unpack(ctx context.Context, wanted []string, follow *regexp.Regexp) error {
	record := packagesRecord{Wanted: wanted, Versions: map[string]string{}}
	if follow != nil {
		record.Follow = follow.String()
	}
	if p.present(record) {
		return nil
	}
	progress("unpacking Debian packages for %s", filepath.Base(p.dir))
	if err := os.RemoveAll(p.dir); err != nil {
		return err
	}
	for next := wanted; len(next) > 0; {
		archives, err := p.fetch(ctx, next)
		if err != nil {
			return err
		}
		var depends []string
		for _, archive := range archives {
			deb, err := p.extract(ctx, archive)
			if err != nil {
				return err
			}
			record.Versions[deb.name] = deb.version
			depends = append(depends, deb.depends...)
		}
		next = slices.DeleteFunc(depends, func(name string) bool {
			return follow == nil || !follow.MatchString(name) || record.Versions[name] != ""
		})
		slices.Sort(next)
		next = slices.Compact(next)
	}
	p.versions = record.Versions
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.record(), data, 0o644)
}

// present tells if the directory holds what want describes, and reads the versions.
func (p *packages) present(want packagesRecord) bool {
	if p.versions != nil { // unpacked earlier in this run
		return true
	}
	data, err := os.ReadFile(p.record())
	if err != nil || p.refresh {
		return false
	}
	var have packagesRecord
	if json.Unmarshal(data, &have) != nil || !slices.Equal(have.Wanted, want.Wanted) || have.Follow != want.Follow {
		return false
	}
	p.versions = have.Versions
	return true
}

// fetch downloads packages and returns their archives.
func (p *packages) fetch(ctx context.Context, names []string) ([]string, error) {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	into, err := os.MkdirTemp(p.dir, "debs-")
	if err != nil {
		return nil, err
	}
	if err := p.apt.download(ctx, into, names); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(into, "*.deb"))
}

type deb struct {
	name, version string
	depends       []string // names; of alternatives, the first
}

// extract unpacks an archive, removes it, and tells what it was.
func (p *packages) extract(ctx context.Context, archive string) (deb, error) {
	out, err := command(ctx, "", []string{"LC_ALL=C"}, "dpkg-deb", "--field", archive, "Package", "Version", "Depends", "Pre-Depends")
	if err != nil {
		return deb{}, err
	}
	d := parseControl(string(out))
	if _, err := command(ctx, "", nil, "dpkg-deb", "--extract", archive, p.root(d.name)); err != nil {
		return deb{}, fmt.Errorf("unpack %s: %w", d.name, err)
	}
	return d, os.Remove(archive)
}

func parseControl(text string) deb {
	var d deb
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch field {
		case "Package":
			d.name = value
		case "Version":
			d.version = value
		case "Depends", "Pre-Depends":
			for dependency := range strings.SplitSeq(value, ",") {
				name := strings.FieldsFunc(dependency, func(r rune) bool { return strings.ContainsRune(" (|:", r) })
				d.depends = append(d.depends, name[0])
			}
		}
	}
	return d
}

// find returns where a file of the image is unpacked, and its package. Older packages have programs and libraries
// outside of /usr.
func (p *packages) find(name string) (file, pkg string, err error) {
	for _, pkg := range slices.Sorted(maps.Keys(p.versions)) {
		for _, variant := range []string{name, strings.TrimPrefix(name, "/usr")} {
			file, err := resolve(p.root(pkg), variant)
			if err == nil {
				return file, pkg, nil
			}
		}
	}
	return "", "", fmt.Errorf("no unpacked Debian package holds %s: %w", name, fs.ErrNotExist)
}

// resolve follows symbolic links inside of a root.
func resolve(root, name string) (string, error) {
	for range 10 {
		file := filepath.Join(root, name)
		info, err := os.Lstat(file)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return file, nil
		}
		target, err := os.Readlink(file)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(name), target)
		}
		name = target
	}
	return "", fmt.Errorf("%s: too many symbolic links", name)
}

func (p *packages) root(pkg string) string { return filepath.Join(p.dir, pkg) }

func (p *packages) record() string { return filepath.Join(p.dir, "packages.json") }
