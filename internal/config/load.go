package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// maxFile is the number of bytes that a file may have. A cluster file is written by hand.
const maxFile = 1 << 20

// Stdin is the path that stands for the standard input.
const Stdin = "-"

// Load reads a cluster file (ours or kind's) from a path, or from stdin if the path is "-". The cluster is complete:
// defaults are filled in, paths of the host are absolute, and it is valid. What a file of kind asks for that has no
// counterpart is returned beside it. Errors are of type *fault.Error and name every mistake with its line.
func Load(path string, stdin io.Reader) (*Cluster, []Unmapped, error) {
	name, dir := path, filepath.Dir(path)
	if path == Stdin {
		name, dir = "stdin", "."
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("find the folder of %s: %w", name, err)
	}
	data, err := read(path, stdin)
	if err != nil {
		return nil, nil, unreadable(name, err)
	}
	workDir, err := os.Getwd()
	if err != nil {
		return nil, nil, fmt.Errorf("find the working directory: %w", err)
	}
	c, unmapped, isKinds, found := parse(data, dir, workDir)
	hint := "See the fields with 'skiff config print-schema'."
	if isKinds {
		hint = "See the fields of kind's files at https://kind.sigs.k8s.io/docs/user/configuration"
	}
	if err := found.fault(name, hint); err != nil {
		return nil, nil, err
	}
	return c, unmapped, nil
}

func read(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != Stdin {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it has more than %d KiB", maxFile>>10)
	}
	return data, err
}

func unreadable(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.Error{
			Code: fault.NotFound, Summary: fmt.Sprintf("there is no cluster file %s", name),
			Hint: "Give the path of a cluster file, or '-' for the standard input.",
		}
	}
	return &fault.Error{
		Code: fault.Invalid, Summary: fmt.Sprintf("the cluster file %s cannot be read", name), Cause: err,
		Hint: "Give the path of a cluster file, or '-' for the standard input.",
	}
}

// Place says where a field is, in the words of the file that the cluster was read from: its line and column, both counted
// from 1, and what the file calls it. They are 0 and "" if it is not in the file.
func (c *Cluster) Place(field string) (line, column int, name string) {
	at := c.places[fieldPath(field)]
	return at.line, at.column, string(at.path)
}

// Forget says that a field of the file counts no more, because a flag has another value: it has no [Cluster.Place].
func (c *Cluster) Forget(field string) { delete(c.places, fieldPath(field)) }

// parse turns a file's content into a cluster. dir is the file's folder, where relative paths start from; in a file of
// kind they start from workDir, as kind has it.
func parse(data []byte, dir, workDir string) (c *Cluster, unmapped []Unmapped, isKinds bool, found problems) {
	root, found := document(data)
	if len(found) > 0 {
		return nil, nil, false, found
	}
	d := &decoder{places: places{}}
	c, unmapped, isKinds = d.cluster(root)
	if len(d.problems) > 0 {
		return nil, nil, isKinds, d.problems
	}
	if isKinds {
		dir = workDir
	}
	c.places = d.places
	c.makeAbsolute(dir)
	c.setDefaults()
	return c, unmapped, isKinds, c.validate()
}

// cluster decodes a file of one of the two formats. Mistakes are in d.problems.
func (d *decoder) cluster(root *yaml.Node) (c *Cluster, unmapped []Unmapped, isKinds bool) {
	version, kind := scalarField(root, "apiVersion"), scalarField(root, "kind")
	known := fmt.Sprintf("%q, or %q for a file of kind", APIVersion, kindAPIVersion)
	at := func(p fieldPath, n *yaml.Node) place {
		if n == nil {
			n = root
		}
		return placeOf(p, n)
	}
	switch {
	case version == nil:
		d.problems.add(at("apiVersion", nil), "is missing: it must be %s", known)
	case version.Value != APIVersion && version.Value != kindAPIVersion:
		d.problems.add(at("apiVersion", version), "must be %s, not %q", known, version.Value)
	}
	switch {
	case kind == nil:
		d.problems.add(at("kind", nil), "is missing: it must be %q", Kind)
	case kind.Value != Kind:
		d.problems.add(at("kind", kind), "must be %q, not %q", Kind, kind.Value)
	}
	switch {
	case len(d.problems) > 0:
		return nil, nil, false
	case version.Value == kindAPIVersion:
		c, unmapped = d.kindCluster(root)
		return c, unmapped, true
	}
	c = &Cluster{}
	d.decode(root, "", reflect.ValueOf(c).Elem())
	return c, nil, false
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// document parses YAML and returns the root of its only document, a mapping.
func document(data []byte) (*yaml.Node, problems) {
	var found problems
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var err error
	for err == nil {
		var next yaml.Node
		if err = decoder.Decode(&next); err != nil || isEmpty(next) { // nothing stands after a last "---", or before a first one
			continue
		}
		if !isEmpty(doc) {
			found.add(placeOf("", &next), "a second YAML document starts here; a cluster file has one")
			return nil, found
		}
		doc = next
	}
	switch {
	case !errors.Is(err, io.EOF):
		at, text := place{}, err.Error()
		if m := yamlError.FindStringSubmatch(text); m != nil {
			at.line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		found.add(at, "this is not YAML: %s", text)
	case isEmpty(doc):
		found.add(place{}, "the file is empty: it starts with 'apiVersion: %s' and 'kind: %s'", APIVersion, Kind)
	case follow(doc.Content[0]).Kind != yaml.MappingNode:
		found.add(placeOf("", doc.Content[0]), "a cluster file is a mapping of fields that starts with 'apiVersion: %s'", APIVersion)
	}
	if len(found) > 0 {
		return nil, found
	}
	return follow(doc.Content[0]), nil
}

// isEmpty is true for a document in which nothing stands.
func isEmpty(doc yaml.Node) bool { return len(doc.Content) == 0 || isNull(doc.Content[0]) }

// scalarField returns a value of a mapping, nil if there is none or it is not a single value.
func scalarField(m *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if value := follow(m.Content[i+1]); m.Content[i].Value == name && value.Kind == yaml.ScalarNode && !isNull(value) {
			return value
		}
	}
	return nil
}

// makeAbsolute lets the paths of the host start from dir.
func (c *Cluster) makeAbsolute(dir string) {
	absolute := func(file *string) {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(dir, *file)
		}
	}
	for i := range c.Nodes {
		for j := range c.Nodes[i].Mounts {
			absolute(&c.Nodes[i].Mounts[j].Source)
		}
	}
	for i := range c.Registries {
		absolute(&c.Registries[i].CA)
	}
	for i := range c.Manifests {
		if !isURL(c.Manifests[i]) {
			absolute(&c.Manifests[i])
		}
	}
}
