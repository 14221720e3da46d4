package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
)

// hostMirror returns the first source of packages of this host's apt, "" if it has none: where this host gets its
// packages, the emulated machine's can be had too.
func hostMirror(dir string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*")) // fails for a bad pattern only
	for _, file := range append(files, filepath.Join(dir, "sources.list")) {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		url := firstSource(bufio.NewScanner(f))
		_ = f.Close()
		if url != "" {
			return url
		}
	}
	return ""
}

// firstSource finds the URL in a line of the one-line format ("deb [options] URL suite ...") or of deb822 ("URIs: URL").
func firstSource(lines *bufio.Scanner) string {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "deb" && fields[0] != "URIs:" {
			continue
		}
		for _, f := range fields[1:] {
			if strings.Contains(f, "://") {
				return f
			}
		}
	}
	return ""
}
