package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

// anyRegistry stands for the registries that have no entry.
const anyRegistry = "*"

// maxInput is the number of bytes that a file named by the cluster file may have.
const maxInput = 64 << 20

var registryHost = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?$`)

func (v *validator) validateRegistries() {
	hosts := map[string]bool{}
	for i, r := range v.Registries {
		p := fieldPath("registries").index(i)
		switch {
		case r.Host == "":
			v.refuse(p.field("host"), "is missing")
		case r.Host != anyRegistry && !isRegistryHost(r.Host):
			v.refuse(p.field("host"), "%q is not a registry: write it as image names have it, HOST or HOST:PORT", r.Host)
		case hosts[r.Host]:
			v.refuse(p.field("host"), "there is an entry for %s already", r.Host)
		}
		hosts[r.Host] = true
		if len(r.Mirrors) == 0 && r.CA == "" && !r.SkipVerify {
			v.refuse(p, "says nothing about the registry: give mirrors, ca or skipVerify")
		}
		for j, m := range r.Mirrors {
			if u, err := url.Parse(m); err != nil || u.Scheme != "http" && u.Scheme != "https" || !isRegistryHost(u.Host) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
				v.refuse(p.field("mirrors").index(j), "%q is not the URL of a mirror: write it as http://HOST:PORT", m)
			}
		}
		if r.CA != "" {
			if err := checkCertificates(r.CA); err != nil {
				v.refuse(p.field("ca"), "%s", err)
			}
		}
	}
}

func isRegistryHost(host string) bool {
	if !registryHost.MatchString(host) {
		return false
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		port, err := strconv.Atoi(host[i+1:])
		return err == nil && port > 0 && port < 65536
	}
	return true
}

// checkCertificates refuses a file that is not one or several certificates, and nothing else.
func checkCertificates(file string) error {
	rest, err := readInput(file)
	if err != nil {
		return errors.New(fileError(err))
	}
	for n := 0; ; n++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && n == 0:
			return fmt.Errorf("%s holds no certificate (PEM)", file)
		case block == nil:
			return nil
		case block.Type != "CERTIFICATE":
			return fmt.Errorf("%s holds %q, and only certificates belong there", file, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("%s holds a certificate that cannot be read: %w", file, err)
		}
	}
}

// ownSettings are the settings of containerd that nodes depend on, with the value of "*" being any key.
var ownSettings = [][]string{
	{"version"}, {"root"}, {"state"}, {"grpc", "address"},
	{"plugins", "io.containerd.cri.v1.images", "snapshotter"},
	{"plugins", "io.containerd.cri.v1.images", "pinned_images"},
	{"plugins", "io.containerd.cri.v1.images", "registry", "config_path"},
	{"plugins", "io.containerd.cri.v1.runtime", "restrict_oom_score_adj"},
	{"plugins", "io.containerd.cri.v1.runtime", "cni"},
}

// oldPlugin is what the two plugins for Kubernetes were before version 3 of containerd's configuration.
const oldPlugin = "io.containerd.grpc.v1.cri"

func (v *validator) validateContainerd() {
	for i, patch := range v.Containerd.ConfigPatches {
		p := fieldPath("containerd.configPatches").index(i)
		var tree map[string]any
		if err := toml.Unmarshal([]byte(patch), &tree); err != nil {
			at, text := tomlError(v.places.of(p), err)
			v.problems.add(at, "%s", text)
			continue
		}
		if len(tree) == 0 {
			v.refuse(p, "sets nothing")
		}
		if lookup(tree, "plugins", oldPlugin) != nil {
			v.refuse(p, "%s is what containerd 1 had; in its place are io.containerd.cri.v1.images and io.containerd.cri.v1.runtime", oldPlugin)
		}
		for _, own := range ownSettings {
			if lookup(tree, own...) != nil {
				v.refuse(p, "Skiff sets %s itself", strings.Join(own, "."))
			}
		}
	}
}

// tomlError says what is wrong with TOML, and where, in a block of text.
func tomlError(block place, err error) (at place, text string) {
	var de *toml.DecodeError
	if errors.As(err, &de) {
		line, _ := de.Position()
		block = block.inText(line, 0)
	}
	return block, "this is not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")
}

// lookup returns the value at the end of a path of keys, nil if there is none.
func lookup(tree map[string]any, keys ...string) any {
	var at any = tree
	for _, k := range keys {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[k]
	}
	return at
}

func (v *validator) validateManifests() {
	for i, m := range v.Manifests {
		p := fieldPath("manifests").index(i)
		if isURL(m) {
			v.refuse(p, "is a URL, and a cluster file names local files: download it, so that the cluster is the same tomorrow")
			continue
		}
		files, err := manifestFiles(m)
		if err != nil {
			v.refuse(p, "%s", fileError(err))
			continue
		}
		for _, file := range files {
			if err := checkManifest(file); err != nil {
				v.refuse(p, "%s", err)
			}
		}
	}
}

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

// ManifestFiles returns the files that Manifests stand for, in the order to apply them: the files of a folder by name.
func (c *Cluster) ManifestFiles() ([]string, error) {
	var all []string
	for _, m := range c.Manifests {
		files, err := manifestFiles(m)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

func manifestFiles(file string) ([]string, error) {
	info, err := os.Stat(file)
	if err != nil || !info.IsDir() {
		return []string{file}, err
	}
	entries, err := os.ReadDir(file)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			files = append(files, filepath.Join(file, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no manifest (*.yaml, *.yml, *.json)", file)
	}
	return files, nil
}

// checkManifest refuses a file whose documents are not Kubernetes objects.
func checkManifest(file string) error {
	data, err := readInput(file)
	if err != nil {
		return errors.New(fileError(err))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; {
		var doc yaml.Node
		switch err := decoder.Decode(&doc); {
		case errors.Is(err, io.EOF) && n == 0:
			return fmt.Errorf("%s holds no object", file)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s is not YAML: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if len(doc.Content) == 0 || isNull(doc.Content[0]) {
			continue
		}
		n++
		object := follow(doc.Content[0])
		if object.Kind != yaml.MappingNode || scalarField(object, "apiVersion") == nil || scalarField(object, "kind") == nil {
			return fmt.Errorf("%s:%d: this is not a Kubernetes object: it has no apiVersion or no kind", file, object.Line)
		}
	}
}

// readInput reads a file that the cluster file names. What is not a file, such as a device, might have no end.
func readInput(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", file)
	case info.Size() > maxInput:
		return nil, fmt.Errorf("%s has more than %d MiB", file, maxInput>>20)
	}
	return os.ReadFile(file)
}

// fileError is an error of the file system in a user's words.
func fileError(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) && errors.Is(err, fs.ErrNotExist) {
		return pe.Path + " does not exist"
	}
	return err.Error()
}

// keysOf returns the keys of a table in order.
func keysOf(table map[string]any) []string { return slices.Sorted(maps.Keys(table)) }
