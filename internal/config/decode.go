package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/skiff-cluster/skiff/internal/nearest"
)

// maxNodes bounds the work that a file can make by referring to an anchor again and again.
const maxNodes = 100_000

// decoder fills a value from a YAML tree, strictly, and goes on after a mistake.
type decoder struct {
	places   places
	problems problems
	nodes    int // decoded so far
	merging  []*yaml.Node
}

// presetter is a type some of whose fields have a default other than zero, and where zero means something, too.
type presetter interface{ preset() }

// decode sets v from n. A field that is null is as one that is not there.
func (d *decoder) decode(n *yaml.Node, p fieldPath, v reflect.Value) {
	n = follow(n)
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.problems.add(placeOf(p, n), "the file is too large")
		}
		return
	}
	d.places[p] = placeOf(p, n)
	if isNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if d.want(n, p, yaml.ScalarNode, "one value") {
			if err := u.UnmarshalText([]byte(n.Value)); err != nil {
				d.problems.add(placeOf(p, n), "%s", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, p, v)
	case reflect.Map:
		d.decodeMap(n, p, v)
	case reflect.Slice:
		if !d.want(n, p, yaml.SequenceNode, "a list") {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			if isNull(follow(item)) {
				d.problems.add(placeOf(p.index(i), item), "is empty")
			}
			d.decode(item, p.index(i), v.Index(i))
		}
	default:
		if d.want(n, p, yaml.ScalarNode, "one value") {
			d.decodeScalar(n, p, v, v.Type() == reflect.TypeFor[Quantity]())
		}
	}
}

func (d *decoder) decodeStruct(n *yaml.Node, p fieldPath, v reflect.Value) {
	if pre, ok := v.Addr().Interface().(presetter); ok {
		pre.preset()
	}
	if !d.want(n, p, yaml.MappingNode, "a mapping of fields") {
		return
	}
	fields := fieldsOf(v.Type())
	for _, e := range d.entries(n, p) {
		name := e.key.Value
		i, known := fields[name]
		if known {
			d.decode(e.value, p.field(name), v.Field(i))
			continue
		}
		text := "there is no such field"
		if best := nearest.Name(name, slices.Collect(maps.Keys(fields))); best != "" {
			text += fmt.Sprintf("; did you mean %q?", best)
		} else {
			text += "; there are " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
		}
		d.problems.add(placeOf(p.key(name), e.key), "%s", text)
	}
}

func (d *decoder) decodeMap(n *yaml.Node, p fieldPath, v reflect.Value) {
	if !d.want(n, p, yaml.MappingNode, "a mapping of names to values") {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, p) {
		at := p.key(e.key.Value)
		value := follow(e.value)
		d.places[at] = placeOf(at, value)
		if isNull(value) {
			d.problems.add(placeOf(at, value), "has no value; an empty one is \"\"")
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if d.want(value, at, yaml.ScalarNode, "one value") {
			d.decodeScalar(value, at, item, v.Type() == reflect.TypeFor[Values]())
		}
		v.SetMapIndex(reflect.ValueOf(e.key.Value), item)
	}
}

// decodeScalar sets a text, a number or a yes-or-no. Where lenient, a text may lack its quotes.
func (d *decoder) decodeScalar(n *yaml.Node, p fieldPath, v reflect.Value, lenient bool) {
	switch v.Kind() {
	case reflect.String:
		if n.ShortTag() != "!!str" && !lenient {
			d.problems.add(placeOf(p, n), "must be text: write it as %q, with the quotes", n.Value)
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		var b bool
		if n.ShortTag() != "!!bool" || n.Decode(&b) != nil {
			d.problems.add(placeOf(p, n), "must be true or false, not %q", n.Value)
			return
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32:
		var i int64
		if n.ShortTag() != "!!int" || n.Decode(&i) != nil || v.OverflowInt(i) {
			d.problems.add(placeOf(p, n), "must be a whole number, not %q", n.Value)
			return
		}
		v.SetInt(i)
	default:
		panic("config: a field of type " + v.Type().String())
	}
}

// want refuses a node of another kind.
func (d *decoder) want(n *yaml.Node, p fieldPath, kind yaml.Kind, what string) bool {
	if n.Kind == kind {
		return true
	}
	d.problems.add(placeOf(p, n), "must be %s, not %s", what, map[yaml.Kind]string{
		yaml.ScalarNode: "one value", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping",
	}[n.Kind])
	return false
}

type entry struct{ key, value *yaml.Node }

// entries returns what a mapping says, refuses keys that it says twice, and adds what it merges in with "<<". A key
// that is in the mapping itself wins over one that is merged in.
func (d *decoder) entries(n *yaml.Node, p fieldPath) []entry {
	var own, merged []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := follow(n.Content[i]), n.Content[i+1]
		switch line, twice := seen[key.Value]; {
		case key.Tag == "!!merge":
			merged = append(merged, d.merged(value, p)...)
		case key.Kind != yaml.ScalarNode:
			d.problems.add(placeOf(p, key), "a name must be one value")
		case twice:
			d.problems.add(placeOf(p.key(key.Value), key), "is given twice; the first is in line %d", line)
		default:
			seen[key.Value] = key.Line
			own = append(own, entry{key, value})
		}
	}
	for _, e := range merged {
		if _, there := seen[e.key.Value]; !there {
			seen[e.key.Value] = e.key.Line
			own = append(own, e)
		}
	}
	return own
}

// merged returns the entries of the mapping, or the list of mappings, that "<<" stands for.
func (d *decoder) merged(n *yaml.Node, p fieldPath) []entry {
	sources := []*yaml.Node{n}
	if list := follow(n); list.Kind == yaml.SequenceNode {
		sources = list.Content
	}
	var out []entry
	if slices.Contains(d.merging, follow(n)) {
		d.problems.add(placeOf(p, n), "is merged into itself")
		return nil
	}
	d.merging = append(d.merging, follow(n))
	defer func() { d.merging = d.merging[:len(d.merging)-1] }()
	for _, source := range sources {
		if d.nodes++; d.nodes > maxNodes {
			d.problems.add(placeOf(p, n), "the file is too large")
			return nil
		}
		if m := follow(source); d.want(m, p, yaml.MappingNode, "a mapping, to be merged in") {
			d.nodes += len(m.Content)
			out = append(out, d.entries(m, p)...)
		}
	}
	return out
}

// fieldsOf returns the fields of a struct by their names in a file.
func fieldsOf(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			fields[name] = i
		}
	}
	return fields
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
