package version

import (
	"runtime/debug"
	"testing"
)

func TestFrom(t *testing.T) {
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}
	for _, tc := range []struct {
		name, version, commit   string
		main                    string
		settings                []debug.BuildSetting
		wantVersion, wantCommit string
	}{
		{name: "nothing known", wantVersion: "devel"},
		{name: "go build in a checkout", main: "(devel)", settings: vcs, wantVersion: "devel", wantCommit: "abc-dirty"},
		{name: "go install", main: "v0.2.0", wantVersion: "v0.2.0"},
		{name: "release", version: "v0.3.0", commit: "def", main: "(devel)", settings: vcs, wantVersion: "v0.3.0", wantCommit: "def"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bi := &debug.BuildInfo{Settings: tc.settings}
			bi.Main.Version = tc.main
			got := from(tc.version, tc.commit, bi)
			if got.Version != tc.wantVersion || got.Commit != tc.wantCommit {
				t.Errorf("got %q %q, want %q %q", got.Version, got.Commit, tc.wantVersion, tc.wantCommit)
			}
			if got.Go == "" || got.Platform == "" {
				t.Error("the Go version and the platform are empty")
			}
		})
	}
}
