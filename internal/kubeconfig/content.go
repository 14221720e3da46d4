package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// The sections of a kubeconfig are lists of named items.
const (
	clusters = "clusters"
	users    = "users"
	contexts = "contexts"
	current  = "current-context"
)

var sections = []string{clusters, users, contexts}

// content is what a file says: as a tree, which is edited, and as Kubernetes' client and others who read YAML see
// it, which the edited tree is held to.
type content struct {
	raw      []byte
	empty    bool       // it says nothing, and tree was made here
	doc      *yaml.Node // the document that tree is the root of
	tree     *yaml.Node // the root mapping
	config   *api.Config
	plain    map[string]any
	edited   bool
	selected string // current-context after the edit
}

// lineError is a mistake in a file, at a line if that is known (counted from 1).
type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return e.text }

func mistake(n *yaml.Node, format string, args ...any) error {
	return &lineError{n.Line, fmt.Sprintf(format, args...)}
}

// parse reads a file's content. Its errors are of type *lineError and quote no values, which may be secrets.
func parse(data []byte) (*content, error) {
	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntaxError(err)
	default:
		if err := decoder.Decode(&second); err == nil {
			return nil, mistake(&second, "it holds more than one YAML document")
		} else if !errors.Is(err, io.EOF) {
			return nil, syntaxError(err)
		}
	}
	c := &content{raw: data, doc: &doc, config: api.NewConfig()}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		c.empty = true
		c.tree = mapping("apiVersion", "v1", "kind", "Config")
		c.doc = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{c.tree}}
		return c, nil
	}
	c.tree = doc.Content[0]
	if err := checkShape(c.tree); err != nil {
		return nil, err
	}
	if err := c.tree.Decode(&c.plain); err != nil {
		return nil, syntaxError(err)
	}
	if c.config, err = load(data); err != nil {
		return nil, c.fieldError(err)
	}
	c.selected = c.config.CurrentContext
	return c, nil
}

// load reads content as kubectl does. What makes that panic is an error, too.
func load(data []byte) (config *api.Config, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("it is not a kubeconfig")
		}
	}()
	return clientcmd.Load(data)
}

// checkShape finds, with their lines, the mistakes that Kubernetes' client reports without.
func checkShape(root *yaml.Node) error {
	if root.Kind != yaml.MappingNode {
		return mistake(root, "it is not a mapping of fields, such as %q", "apiVersion: v1")
	}
	for _, section := range sections {
		list := field(root, section)
		if list == nil || isNull(list) {
			continue
		}
		if list.Kind != yaml.SequenceNode {
			return mistake(list, "%q is not a list", section)
		}
		seen := map[string]int{}
		for _, item := range list.Content {
			item = follow(item)
			if item.Kind != yaml.MappingNode {
				return mistake(item, "an item of %q is not a mapping with a name", section)
			}
			name := nameOf(item)
			if line, ok := seen[name]; ok {
				return mistake(item, "%q holds the name %q twice; the first is on line %d", section, name, line)
			}
			seen[name] = item.Line
			if err := checkData(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkData finds the fields of an item that must be base64 and are not.
func checkData(item *yaml.Node) error {
	for i := 1; i < len(item.Content); i += 2 {
		inner := follow(item.Content[i])
		if inner.Kind != yaml.MappingNode {
			continue
		}
		for j := 0; j+1 < len(inner.Content); j += 2 {
			key, value := inner.Content[j], follow(inner.Content[j+1])
			if !strings.HasSuffix(key.Value, "-data") || value.Kind != yaml.ScalarNode || isNull(value) {
				continue
			}
			if _, err := base64.StdEncoding.DecodeString(value.Value); err != nil {
				return mistake(value, "the field %q is not base64", key.Value)
			}
		}
	}
	return nil
}

var (
	yamlLine = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:unmarshal errors:\n\s*)?(?:line (\d+): )?`)
	// zeroBased are the messages of the parser, which counts lines from 0, as opposed to those of its scanner.
	zeroBased = regexp.MustCompile(`^did not find expected ('-' indicator|key|',' or|node content|<)`)
	jsonField = regexp.MustCompile(`json: cannot unmarshal (\w+) into Go struct field \w+\.([\w.-]+) of type ([\w.\[\]*]+)`)
)

func syntaxError(err error) error {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return &lineError{0, "it is not YAML"}
	}
	line, _ := strconv.Atoi(m[1])
	text = text[len(m[0]):]
	if zeroBased.MatchString(text) {
		line++
	}
	return &lineError{line, "it is not YAML: " + text}
}

// fieldError says where a field has the wrong type, as far as the message of the decoder tells.
func (c *content) fieldError(err error) error {
	text := err.Error()
	if yamlLine.MatchString(text) {
		return syntaxError(err)
	}
	m := jsonField.FindStringSubmatch(text)
	if m == nil {
		return &lineError{0, "kubectl could not read it: it has a field of a wrong type, or is no kubeconfig"}
	}
	line := 0
	first, _, _ := bytes.Cut([]byte(m[2]), []byte("."))
	if n := field(c.tree, string(first)); n != nil {
		line = n.Line
	}
	return &lineError{line, fmt.Sprintf("the field %q holds a %s", m[2], m[1])}
}

// items are the items of a section.
func (c *content) items(section string) []*yaml.Node {
	if list := field(c.tree, section); list != nil {
		return list.Content
	}
	return nil
}

// find returns the index of a section's item of that name, or -1.
func (c *content) find(section, name string) int {
	return slices.IndexFunc(c.items(section), func(item *yaml.Node) bool { return nameOf(follow(item)) == name })
}

// put adds an item to a section, or replaces the one of that name. What a context says besides its cluster and
// user, such as a namespace, stays.
func (c *content) put(section, name string, item *yaml.Node) {
	c.edited = true
	list := c.own(section)
	i := c.find(section, name)
	switch {
	case i < 0:
		list.Content = append(list.Content, item)
		if len(list.Content) == 1 {
			list.Style &^= yaml.FlowStyle // an empty list must be written "[]": that is no wish for more of it
		}
	case section == contexts:
		list.Content[i] = keepContext(list.Content[i], item)
	default:
		list.Content[i] = item
	}
}

// keepContext returns an existing context with the cluster and the user of a fresh one.
func keepContext(existing, fresh *yaml.Node) *yaml.Node {
	existing = unshared(existing)
	kept, wanted := field(existing, "context"), field(fresh, "context")
	if kept == nil || kept.Kind != yaml.MappingNode {
		return fresh
	}
	setField(kept, "cluster", field(wanted, "cluster"))
	setField(kept, "user", field(wanted, "user"))
	return existing
}

// own returns a section's list, made if there is none, and no longer shared with other parts of the tree.
func (c *content) own(section string) *yaml.Node {
	list := field(c.tree, section)
	switch {
	case list == nil || isNull(list):
		list = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		setField(c.tree, section, list)
	case rawField(c.tree, section).Kind == yaml.AliasNode:
		list = &yaml.Node{Kind: yaml.SequenceNode, Tag: list.Tag, Style: list.Style, Content: slices.Clone(list.Content)}
		setField(c.tree, section, list)
	}
	return list
}

// drop removes a section's item of that name, if there is one.
func (c *content) drop(section, name string) {
	i := c.find(section, name)
	if i < 0 {
		return
	}
	c.edited = true
	list := c.own(section)
	list.Content = slices.Delete(list.Content, i, i+1)
}

// selectContext makes name the context that kubectl uses.
func (c *content) selectContext(name string) {
	if c.selected == name {
		return
	}
	c.edited, c.selected = true, name
	setField(c.tree, current, scalar(name))
}

// render returns the new content of the file after an edit of the entry of that name, nil if it need not be
// written.
func (c *content) render(name string) ([]byte, error) {
	if !c.edited {
		return nil, nil
	}
	out, err := c.encode()
	if err != nil {
		return nil, &lineError{0, "it cannot be written again: " + err.Error()}
	}
	after, err := parse(out)
	if err != nil || after.selected != c.selected ||
		!equality.Semantic.DeepEqual(without(c.config, name), without(after.config, name)) ||
		!reflect.DeepEqual(others(c.plain, name), others(after.plain, name)) {
		// Anchors can tie an entry to others in ways that an edit cannot undo.
		return nil, &lineError{0, "it uses YAML anchors or merge keys in a way that cannot be edited safely"}
	}
	if equality.Semantic.DeepEqual(c.config, after.config) {
		return nil, nil
	}
	return out, nil
}

// encode writes the tree in the style that the file has.
func (c *content) encode() ([]byte, error) {
	asJSON := !c.empty && json.Valid(c.raw)
	if asJSON {
		quoteStrings(c.tree)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if !indentsLists(c.tree) {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(c.doc); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	switch {
	case asJSON:
		var pretty bytes.Buffer
		if json.Indent(&pretty, b.Bytes(), "", "  ") == nil {
			return pretty.Bytes(), nil
		}
	case c.empty && bytes.Contains(c.raw, []byte("#")): // a file of comments only
		return slices.Concat(bytes.TrimRight(c.raw, "\n"), []byte("\n"), b.Bytes()), nil
	}
	return b.Bytes(), nil
}

// without is a configuration without the entry of that name, and without a selection.
func without(config *api.Config, name string) *api.Config {
	c := config.DeepCopy()
	delete(c.Contexts, name)
	delete(c.Clusters, name)
	delete(c.AuthInfos, name)
	c.CurrentContext = ""
	return c
}

// others is what a file says as plain YAML, without the entry of that name, the selection, and the forms of saying
// nothing.
func others(plain map[string]any, name string) map[string]any {
	plain = maps.Clone(plain)
	for _, s := range sections {
		list, _ := plain[s].([]any)
		list = slices.DeleteFunc(slices.Clone(list), func(item any) bool {
			m, ok := item.(map[string]any)
			return ok && m["name"] == name
		})
		if delete(plain, s); len(list) > 0 {
			plain[s] = list
		}
	}
	delete(plain, current)
	for key, value := range map[string]string{"apiVersion": "v1", "kind": "Config"} { // an empty file gets them
		if plain[key] == value {
			delete(plain, key)
		}
	}
	if len(plain) == 0 {
		return nil
	}
	return plain
}
