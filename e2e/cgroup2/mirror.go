//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hostMirror returns where this host's apt gets a release of Debian, "" if nowhere: what this host can reach, the
// recipe can too. Sources of others, which have a suite of that name as well, have no component "main".
func hostMirror(dir, suite string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*")) // fails for a bad pattern only
	for _, file := range append([]string{filepath.Join(dir, "sources.list")}, files...) {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		parse := oneLine
		if filepath.Ext(file) == ".sources" {
			parse = deb822
		}
		for _, s := range parse(string(data)) {
			if slices.Contains(s.suites, suite) && slices.Contains(s.components, "main") {
				return s.url
			}
		}
	}
	return ""
}

// source is an entry of apt's configuration.
type source struct {
	url                string
	suites, components []string
}

// oneLine reads "deb [options] URL suite component...", one a line.
func oneLine(text string) []source {
	var list []source
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "deb" {
			continue
		}
		url := slices.IndexFunc(fields, func(f string) bool { return strings.Contains(f, "://") })
		if url > 0 && len(fields) > url+1 {
			list = append(list, source{fields[url], fields[url+1 : url+2], fields[url+2:]})
		}
	}
	return list
}

// deb822 reads paragraphs of "Name: values".
func deb822(text string) []source {
	var list []source
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		values := map[string][]string{}
		for line := range strings.Lines(paragraph) {
			if name, value, ok := strings.Cut(line, ":"); ok {
				values[name] = strings.Fields(value)
			}
		}
		if urls := values["URIs"]; len(urls) > 0 && slices.Contains(values["Types"], "deb") {
			list = append(list, source{urls[0], values["Suites"], values["Components"]})
		}
	}
	return list
}
