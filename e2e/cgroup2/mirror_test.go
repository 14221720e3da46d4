package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHostMirror(t *testing.T) {
	const url = "http://packages.example/debian"
	for name, tc := range map[string]struct{ file, content, want string }{
		"one-line":         {"sources.list", "# deb http://old.example/ x\ndeb [signed-by=/k.gpg] " + url + " bookworm main\n", url},
		"deb822":           {"sources.list.d/debian.sources", "Types: deb\nURIs: " + url + "\nSuites: bookworm\n", url},
		"sources of code":  {"sources.list", "deb-src " + url + " bookworm main\n", ""},
		"no source at all": {"other", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, tc.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(tc.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := hostMirror(dir); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
