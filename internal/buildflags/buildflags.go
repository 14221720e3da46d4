// Package buildflags knows how the project's programs are compiled, wherever that is done: by the recipe of the
// node image, by the release tool, and by the Makefile. One set of flags means one build cache, and a build cache
// that holds Kubernetes is worth ten minutes.
package buildflags

import "strings"

// Tags are the build tags of every program. grpcnotrace and notest let the linker drop unused methods again, which
// reflection in packages that nobody needs at run time would keep: the programs shrink by a fifth or more. The
// Makefile exports the same tags for `go build`, `go vet` and `go test`.
const Tags = "grpcnotrace,notest"

// Module is our own module.
const Module = "github.com/skiff-cluster/skiff"

// Args returns the arguments of `go build` up to the packages, for a program with further tags and linker flags.
// Debug information, paths and the state of the repository are left out, so that the same sources give the same bytes
// wherever they lie.
func Args(tags []string, ldflags ...string) []string {
	all := append([]string{Tags}, tags...)
	return []string{
		"build", "-trimpath", "-buildvcs=false",
		"-tags=" + strings.Join(all, ","),
		"-ldflags=" + LinkerFlags(ldflags...),
	}
}

// LinkerFlags returns the value of -ldflags: what every program is linked with, and more.
func LinkerFlags(more ...string) string {
	return strings.Join(append([]string{"-s", "-w"}, more...), " ")
}

// Set returns the linker flags that set string variables, given as "import/path.name=value". Values must not hold
// spaces.
func Set(variables ...string) []string {
	flags := make([]string, len(variables))
	for i, v := range variables {
		flags[i] = "-X=" + v
	}
	return flags
}

// Skiff returns the linker flags that tell our programs which Skiff they are. An empty commit is not set.
func Skiff(version, commit string) []string {
	flags := Set(Module + "/internal/version.version=" + version)
	if commit != "" {
		flags = append(flags, Set(Module+"/internal/version.commit="+commit)...)
	}
	return flags
}
