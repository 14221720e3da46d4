package apply

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// object is an object of a file.
type object struct {
	*unstructured.Unstructured
	line int // where it begins; that of the list it is in
}

// String names the object in messages.
func (o object) String() string {
	name := o.GetName()
	if o.GetNamespace() != "" {
		name = o.GetNamespace() + "/" + name
	}
	return o.GetKind() + " " + name
}

// readFile reads the objects of a file, those of lists too.
func readFile(file string) ([]object, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []object
	for _, d := range split(data) {
		found, err := d.objects()
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", file, d.line, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// document is a part of a file between two lines of "---".
type document struct {
	text []byte
	line int // of the first word in it
}

// split parts a file as kubectl does.
func split(data []byte) []document {
	var all []document
	var d document
	line := 0
	end := func() {
		if d.line > 0 {
			all = append(all, d)
		}
		d = document{}
	}
	for text := range bytes.Lines(data) {
		line++
		if rest, ok := bytes.CutPrefix(text, []byte("---")); ok {
			if rest = bytes.TrimSpace(rest); len(rest) == 0 || rest[0] == '#' {
				end()
				continue
			}
		}
		if word := bytes.TrimSpace(text); d.line == 0 && len(word) > 0 && word[0] != '#' {
			d.line = line
		}
		d.text = append(d.text, text...)
	}
	end()
	return all
}

// objects are the document's: one, those of a list, or none if it says nothing.
func (d document) objects() ([]object, error) {
	asJSON, err := yaml.YAMLToJSONStrict(d.text)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	if string(asJSON) == "null" {
		return nil, nil
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(asJSON); err != nil {
		return nil, err
	}
	if !u.IsList() {
		return []object{{&u, d.line}}, named(&u)
	}
	var all []object
	err = u.EachListItem(func(item runtime.Object) error {
		o, ok := item.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("the list holds a %T", item)
		}
		all = append(all, object{o, d.line})
		return named(o)
	})
	return all, err
}

// named refuses an object without a name, which cannot be applied.
func named(u *unstructured.Unstructured) error {
	if u.GetName() == "" {
		return fmt.Errorf("this %s has no metadata.name", u.GetKind())
	}
	return nil
}
