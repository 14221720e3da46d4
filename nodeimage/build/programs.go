package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/skiff-cluster/skiff/internal/buildflags"
)

// program is one that is compiled out of this module or the modules it requires.
type program struct {
	pkg    string
	target string // path in the image
	// module is where the program's version is read, "" for our own.
	module string
	tags   string
	cgo    bool
	// version sets the program's version variables, as the linker's -X flags.
	version func(m module) []string
}

// kubernetesProgram is the one whose binary also writes the seed.
const kubernetesProgram = "skiff-kubernetes"

const skiffModule = "github.com/skiff-cluster/skiff"

// programs by name. To add one, name its package here, and in the `tool` block of go.mod if it is not ours.
var programs = map[string]program{
	"skiff-node":      {pkg: skiffModule + "/cmd/skiff-node", target: "/usr/bin/skiff-node"},
	kubernetesProgram: {pkg: skiffModule + "/cmd/skiff-kubernetes", target: "/usr/bin/skiff-kubernetes", module: "k8s.io/kubernetes", version: kubernetesVersion},
	"containerd": {
		pkg: "github.com/containerd/containerd/v2/cmd/containerd", target: "/usr/bin/containerd",
		module: "github.com/containerd/containerd/v2", version: containerdVersion,
		// Snapshotters that a node never uses.
		tags: "no_btrfs,no_zfs,no_devmapper,no_aufs",
	},
	"containerd-shim-runc-v2": {
		pkg: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", target: "/usr/bin/containerd-shim-runc-v2",
		module: "github.com/containerd/containerd/v2", version: containerdVersion,
	},
	"runc": {
		// libseccomp and the code that enters namespaces are C.
		pkg: "github.com/opencontainers/runc", target: "/usr/bin/runc",
		module: "github.com/opencontainers/runc", tags: "seccomp,urfave_cli_no_docs", cgo: true,
	},
	"host-local": plugin("ipam/host-local"),
	"ptp":        plugin("main/ptp"),
	"portmap":    plugin("meta/portmap"),
}

func plugin(path string) program {
	return program{
		pkg:    "github.com/containernetworking/plugins/plugins/" + path,
		target: "/opt/cni/bin/" + filepath.Base(path),
		module: "github.com/containernetworking/plugins",
		version: func(m module) []string {
			return []string{"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=" + m.Version}
		},
	}
}

func containerdVersion(m module) []string {
	return []string{"github.com/containerd/containerd/v2/version.Version=" + m.Version}
}

func kubernetesVersion(m module) []string {
	return buildflags.Kubernetes(m.Version, m.Time, m.Sum)
}

// compilePrograms compiles every program and records its version.
func (b *builder) compilePrograms(ctx context.Context, cc compiler) error {
	for name, p := range programs {
		if err := p.compile(ctx, filepath.Join(b.cache, "bin"), b.arch, &cc, b.version); err != nil {
			return fmt.Errorf("compile %s: %w", name, err)
		}
	}
	b.versions["go"] = strings.TrimPrefix(runtime.Version(), "go")
	return nil
}
