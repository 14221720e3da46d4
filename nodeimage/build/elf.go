package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"

	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// addProgram adds a program of a Debian package to the tree, with every shared library that it needs, directly or
// not. Packages are followed by what their files say they need, not by a list: that fits every release of Debian.
func (b *builder) addProgram(tree *imagetar.Tree, name string) error {
	file, err := b.addDebianFile(tree, name, 0o755)
	if err != nil {
		return err
	}
	needed, err := b.neededBy(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, library := range needed {
		if tree.Has(library) {
			continue
		}
		if err := b.addProgram(tree, library); err != nil {
			return fmt.Errorf("needed by %s: %w", name, err)
		}
	}
	return nil
}

// addDebianFile adds a file of a Debian package and records the package's version.
func (b *builder) addDebianFile(tree *imagetar.Tree, name string, mode int64) (string, error) {
	file, pkg, err := b.debian.find(name)
	if err != nil {
		return "", err
	}
	tree.File(name, file, mode)
	b.versions[pkg] = b.debian.versions[pkg]
	return file, nil
}

// neededBy returns where in the image the libraries are that an ELF file names. The loader is among them.
func (b *builder) neededBy(file string) ([]string, error) {
	binary, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer binary.Close()
	names, err := binary.DynString(elf.DT_NEEDED)
	if err != nil {
		if errors.Is(err, elf.ErrNoSymbols) { // a static program
			return nil, nil
		}
		return nil, err
	}
	var found []string
	for _, name := range names {
		path := "/usr/lib/" + b.machine.triplet + "/" + name
		if _, _, err := b.debian.find(path); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			return nil, fmt.Errorf("needs %s: %w", name, err)
		}
		found = append(found, path)
	}
	return found, nil
}
