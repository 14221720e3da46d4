package main

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/skiff-cluster/skiff/internal/buildflags"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// kubernetesProgram is the one that also writes the seed.
const kubernetesProgram = "skiff-kubernetes"

// ours are the programs of this module, by name: where they are in the image. Their packages are cmd/<name>.
var ours = map[string]string{
	"skiff-node":      nodeapi.NodeBinary,
	kubernetesProgram: nodeapi.KubernetesBinary,
}

// program is one that is compiled out of a module that ours requires.
type program struct {
	pkg    string
	target string // path in the image
	module string // whose version is the program's
	tags   []string
	// static is set if the program holds C code; it is linked with its C libraries inside.
	static bool
	// set names the variable that tells the program its version, "" for none.
	set string
}

const (
	containerdModule = "github.com/containerd/containerd/v2"
	pluginsModule    = "github.com/containernetworking/plugins"
)

// upstream are those programs, by name. To add one, name it here and its package in the tool block of go.mod.
var upstream = map[string]program{
	"containerd": {
		pkg: containerdModule + "/cmd/containerd", target: nodeapi.ContainerdBinary,
		module: containerdModule, set: containerdModule + "/version.Version",
		// Snapshotters, and an exporter of traces, that a node never uses.
		tags: []string{"no_btrfs", "no_zfs", "no_devmapper", "no_aufs", "no_tracing"},
	},
	"containerd-shim-runc-v2": {
		pkg: containerdModule + "/cmd/containerd-shim-runc-v2", target: "/usr/bin/containerd-shim-runc-v2",
		module: containerdModule, set: containerdModule + "/version.Version",
	},
	"runc": {
		pkg: "github.com/opencontainers/runc", target: "/usr/bin/runc", module: "github.com/opencontainers/runc",
		// libseccomp and the code that enters namespaces are C.
		static: true,
		tags:   []string{"seccomp", "runc_nocriu", "urfave_cli_no_docs", "netgo", "osusergo"},
	},
	"host-local": plugin("ipam/host-local"),
	"ptp":        plugin("main/ptp"),
	"portmap":    plugin("meta/portmap"),
}

func plugin(name string) program {
	return program{
		pkg: pluginsModule + "/plugins/" + name, target: nodeapi.CNIBinDir + "/" + path.Base(name),
		module: pluginsModule, set: pluginsModule + "/pkg/utils/buildversion.BuildVersion",
	}
}

// hosted are the modules that skiff-kubernetes runs beside Kubernetes' own, by the names of their components.
var hosted = map[string]string{
	"coredns": "github.com/coredns/coredns",
	"etcd":    "go.etcd.io/etcd/server/v3",
}

// compileUpstream compiles the programs that depend on nothing of ours. The Go command is only asked if something
// that they are made of changed, so that a build with nothing to do takes no time.
func (b *builder) compileUpstream(ctx context.Context, c compiler) error {
	modules, err := fileDigest("go.sum")
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(upstream)) {
		p := upstream[name]
		m, err := buildflags.Lookup(ctx, p.module)
		if err != nil {
			return err
		}
		b.versions[name] = m.Version
		env := b.goEnv()
		inputs := []string{runtime.Version(), modules, m.Version}
		if p.static {
			cgo, err := b.cgo(ctx, c)
			if err != nil {
				return err
			}
			env = append(env, cgo...)
			inputs = append(inputs, c.version, b.versions["libseccomp"])
		}
		file := filepath.Join(b.bin(), name)
		args := append(p.args(m), "-o", file, p.pkg)
		inputs = append(append(inputs, args...), env...)
		err = stamped(file, file+".made-of", strings.Join(inputs, "\n"), func() error {
			progress("compiling %s %s for %s", name, m.Version, b.arch)
			_, err := command(ctx, "", env, "go", args...)
			return err
		})
		if err != nil {
			return fmt.Errorf("compile %s: %w", name, err)
		}
	}
	b.versions["go"] = strings.TrimPrefix(runtime.Version(), "go")
	return nil
}

// args are the arguments of `go build` up to the output.
func (p program) args(m buildflags.ModuleInfo) []string {
	var link []string
	if p.set != "" {
		link = buildflags.Set(p.set + "=" + m.Version)
	}
	if !p.static {
		return buildflags.Args(p.tags, link...)
	}
	// The build ID is a hash of the C compiler's flags too, and those name directories.
	// Upstream's own is position-independent. Ours is not: relocating itself takes runc a quarter of each of its starts, of
	// which a pod has half a dozen.
	link = append(link, "-buildid=", "-linkmode=external", "-extldflags=-static")
	return buildflags.Args(p.tags, link...)
}

// compileOurs compiles our own programs in one call. What changed is for the Go command to find out.
func (b *builder) compileOurs(ctx context.Context) error {
	link, err := buildflags.Kubernetes(b.kubernetes)
	if err != nil {
		return err
	}
	// Without the commit: the image must not change with every commit.
	link = append(link, buildflags.Skiff(b.version, "")...)
	args := append(buildflags.Args(nil, link...), "-o", b.bin()+"/")
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		args = append(args, buildflags.Module+"/cmd/"+name)
	}
	if _, err := command(ctx, "", b.goEnv(), "go", args...); err != nil {
		return fmt.Errorf("compile skiff-node and %s: %w", kubernetesProgram, err)
	}
	b.versions["skiff"] = b.version
	b.versions["kubernetes"] = b.kubernetes.Version
	for name, path := range hosted {
		m, err := buildflags.Lookup(ctx, path)
		if err != nil {
			return err
		}
		b.versions[name] = m.Version
	}
	return nil
}

// goEnv is the environment of the Go command. The lowest level of each architecture is what every machine runs.
func (b *builder) goEnv() []string {
	return []string{"GOOS=linux", "GOARCH=" + b.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off", "CGO_ENABLED=0"}
}
