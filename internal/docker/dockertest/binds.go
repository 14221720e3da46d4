package dockertest

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/skiff-cluster/skiff/internal/cluster"
	"github.com/skiff-cluster/skiff/internal/fault"
)

// errCopyThroughBind is for what tests have not needed yet.
var errCopyThroughBind = errors.New("dockertest cannot copy to and from what is bound from the host")

// checkBinds looks for the sources of binds on the machine that the test runs on, which is the engine's host.
func checkBinds(spec cluster.ContainerSpec) error {
	for _, b := range spec.Binds {
		if !filepath.IsAbs(b.Source) || !path.IsAbs(b.Target) {
			return &fault.Error{Code: fault.DockerRefused, Summary: fmt.Sprintf("cannot mount %s at %s", b.Source, b.Target), Hint: "Give absolute paths."}
		}
		if _, err := os.Stat(b.Source); err != nil {
			return &fault.Error{Code: fault.NotFound, Summary: fmt.Sprintf("cannot create container %s: there is no %s on Docker's host", spec.Name, b.Source),
				Hint: "Create it, or correct the path.", Cause: err}
		}
	}
	return nil
}

// mounted finds the innermost volume or bind that a path of a container is on, and the path below it.
func (c *container) mounted(name string) (volumeName string, bind *cluster.Bind, below string) {
	longest := -1
	on := func(mount string) bool {
		mount = path.Clean(mount)
		if len(mount) <= longest || name != mount && !strings.HasPrefix(name, strings.TrimSuffix(mount, "/")+"/") {
			return false
		}
		longest, below = len(mount), path.Clean("/"+strings.TrimPrefix(name, mount))
		return true
	}
	for v, mount := range c.spec.Volumes {
		if on(mount) {
			volumeName = v
		}
	}
	for i, b := range c.spec.Binds {
		if on(b.Target) {
			volumeName, bind = "", &c.spec.Binds[i]
		}
	}
	return volumeName, bind, below
}

// bound is the path on the host of a path in a container, if that is on a bind.
func (c *container) bound(name string) (host string, readOnly, ok bool) {
	_, bind, below := c.mounted(path.Clean("/" + name))
	if bind == nil {
		return "", false, false
	}
	return filepath.Join(bind.Source, filepath.FromSlash(below)), bind.ReadOnly, true
}

// writeBound writes a file on the host as a program in a container would.
func writeBound(name, host string, readOnly bool, content []byte) error {
	if readOnly {
		return fmt.Errorf("open %s: %w", name, syscall.EROFS)
	}
	return os.WriteFile(host, content, 0o600)
}
