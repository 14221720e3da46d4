//go:build e2e

package e2e

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// readBundle reads an archive of `skiff bundle`: the files by their path without the archive's own directory.
func readBundle(c *Cluster, file string) map[string]string {
	c.Helper()
	f, err := os.Open(file)
	c.Must(err, "open the bundle")
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	c.Must(err, "decompress the bundle")
	found := map[string]string{}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		c.Must(err, "read the bundle")
		content, err := io.ReadAll(archive)
		c.Must(err, "read %s in the bundle", header.Name)
		top, rest, ok := strings.Cut(header.Name, "/")
		if !ok || top != "skiff-"+c.Name {
			c.Errorf("%s is beside the bundle's directory", header.Name)
		}
		if header.Typeflag == tar.TypeReg {
			found[rest] = string(content)
		}
	}
}

// names are the files of a bundle.
func names(bundle map[string]string) []string { return slices.Sorted(maps.Keys(bundle)) }
