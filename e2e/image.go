//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/skiff-cluster/skiff/nodeimage/imagetar"
)

// Image returns the name of the image with the program testbox in it, in a version: they differ in the
// environment variable VERSION only.
func Image(version int) string { return fmt.Sprintf("skiff-e2e/testbox-%s:v%d", run.id, version) }

// testbox is the compiled program.
var testbox struct {
	once sync.Once
	path string
	arch string
	err  error
}

// buildTestbox compiles testbox for the engine's architecture, once.
func buildTestbox() (path, arch string, err error) {
	testbox.once.Do(func() {
		out := dockerRun("version", "--format", "{{.Server.Arch}}")
		if out.Code != 0 {
			testbox.err = fmt.Errorf("%s", out)
			return
		}
		testbox.arch, testbox.path = strings.TrimSpace(out.Stdout), filepath.Join(run.dir, "testbox")
		build := command{
			env:  []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + testbox.arch},
			args: []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", testbox.path, "./programs/testbox"},
		}
		if out := build.run(context.Background()); out.Code != 0 {
			testbox.err = fmt.Errorf("%s", out)
		}
	})
	return testbox.path, testbox.arch, testbox.err
}

// WriteImage writes an archive of an image with testbox in it, under a name and with an environment.
func WriteImage(file, ref string, env ...string) error {
	program, arch, err := buildTestbox()
	if err != nil {
		return err
	}
	var tree imagetar.Tree
	tree.File("/testbox", program, 0o755)
	tree.Symlink("/bin/tar", "/testbox") // `kubectl cp` runs it
	tree.Dir("/tmp", 0o1777)
	layer, err := imagetar.NewLayer(&tree)
	if err != nil {
		return err
	}
	config := imagetar.Config{Architecture: arch, Entrypoint: []string{"/testbox"}, Env: append([]string{"PATH=/bin"}, env...)}
	image, err := imagetar.New(config, layer)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = image.WriteArchive(out, ref)
	return errors.Join(err, out.Close())
}

// host is what this run put into the host's Docker.
var host struct {
	once sync.Once
	err  error
}

// hostImages puts both versions of the image into the host's Docker, once.
func hostImages() error {
	host.once.Do(func() {
		for version := 1; version <= 2 && host.err == nil; version++ {
			file := imageArchive(version)
			if host.err = WriteImage(file, Image(version), fmt.Sprintf("VERSION=v%d", version)); host.err != nil {
				return
			}
			if out := dockerRun("load", "--input", file); out.Code != 0 {
				host.err = fmt.Errorf("%s", out)
			}
		}
	})
	return host.err
}

// imageArchive is where the archive of the image is, once hostImages has made it.
func imageArchive(version int) string {
	return filepath.Join(run.dir, fmt.Sprintf("testbox-v%d.tar", version))
}

// LoadImages puts both versions of the image into the cluster's nodes.
func (c *Cluster) LoadImages() {
	c.Helper()
	c.Must(hostImages(), "make the images")
	if c.engine != nil {
		for version := 1; version <= 2; version++ {
			c.Docker("load", "--input", imageArchive(version))
		}
	}
	c.Skiff("load", Image(1), Image(2))
}

// removeHostImages takes the images out of the host's Docker again: by name, because another run of the same tests has the
// same images under names of its own.
func removeHostImages() error {
	out := dockerRun("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=skiff-e2e/testbox-"+run.id+"*")
	if out.Code != 0 {
		return fmt.Errorf("%s", out)
	}
	var errs []error
	for ref := range strings.FieldsSeq(out.Stdout) {
		if out := dockerRun("image", "rm", "--force", ref); out.Code != 0 && !strings.Contains(out.Stderr, "No such image") {
			errs = append(errs, fmt.Errorf("%s", out))
		}
	}
	return errors.Join(errs...)
}
