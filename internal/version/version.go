// Package version knows which Skiff this is.
package version

import (
	"runtime"
	"runtime/debug"
)

// version and commit are set by the Makefile with -ldflags "-X …". A plain `go build` leaves them empty, and
// what the Go command recorded is used instead.
var (
	version string
	commit  string
)

// Info describes this program.
type Info struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Get describes this program.
func Get() Info {
	bi, ok := debug.ReadBuildInfo()
	if !ok {
		bi = &debug.BuildInfo{}
	}
	return from(version, commit, bi)
}

// Version is the version of Skiff, as written to labels: "v0.1.0", or "devel" for a build without one.
func Version() string { return Get().Version }

func from(version, commit string, bi *debug.BuildInfo) Info {
	info := Info{
		Version: version, Commit: commit,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if v := bi.Main.Version; info.Version == "" && v != "" && v != "(devel)" {
		info.Version = v
	}
	if info.Version == "" {
		info.Version = "devel"
	}
	dirty := false
	for _, s := range bi.Settings {
		switch {
		case s.Key == "vcs.revision" && info.Commit == "":
			info.Commit = s.Value
		case s.Key == "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && commit == "" && info.Commit != "" {
		info.Commit += "-dirty"
	}
	return info
}
