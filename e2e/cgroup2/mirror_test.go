//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHostMirror(t *testing.T) {
	const url = "http://packages.example/debian"
	const paragraph = "Types: deb deb-src\nURIs: " + url + "\nSuites: bookworm bookworm-updates\nComponents: main\n"
	for name, tc := range map[string]struct{ file, content, want string }{
		"one-line":         {"sources.list", "# deb http://old.example/ bookworm main\ndeb [signed-by=/k.gpg] " + url + " bookworm main\n", url},
		"deb822":           {"sources.list.d/debian.sources", "# deb: none\n" + paragraph, url},
		"second paragraph": {"sources.list.d/a.sources", "Types: deb\nURIs: http://other.example/\nSuites: stable\nComponents: main\n\n" + paragraph, url},
		"sources of code":  {"sources.list", "deb-src " + url + " bookworm main\n", ""},
		"another release":  {"sources.list", "deb " + url + " trixie main\n", ""},
		"other software":   {"sources.list.d/other.list", "deb http://other.example/debian bookworm stable\n", ""},
		"broken line":      {"sources.list", "deb " + url + "\n", ""},
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
			if got := hostMirror(dir, "bookworm"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
