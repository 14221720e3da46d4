package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/skiff-cluster/skiff/internal/config"
	"github.com/skiff-cluster/skiff/internal/testutil"
)

// TestSchema makes the JSON Schema of the types, and holds the committed one to it.
func TestSchema(t *testing.T) {
	r := jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			// What YAML reads as a number or a yes-or-no is text to Kubernetes.
			text := func(others ...string) *jsonschema.Schema {
				s := &jsonschema.Schema{}
				for _, name := range append([]string{"string"}, others...) {
					s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Type: name})
				}
				return s
			}
			switch t {
			case reflect.TypeFor[config.Duration]():
				return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
			case reflect.TypeFor[config.Quantity]():
				return text("number")
			case reflect.TypeFor[config.Values]():
				return &jsonschema.Schema{Type: "object", AdditionalProperties: text("number", "boolean")}
			}
			return nil
		},
	}
	if err := r.AddGoComments("github.com/skiff-cluster/skiff/internal/config", "./"); err != nil {
		t.Fatal(err)
	}
	schema := r.Reflect(&config.Cluster{})
	schema.Title = "Cluster file of Skiff"
	schema.Description = ""
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(schema); err != nil {
		t.Fatal(err)
	}
	testutil.Golden(t, "../schema.json", out.String())
}

// TestSchemaAccepts holds the schema to what Load accepts, and to refusing what no cluster file has.
func TestSchemaAccepts(t *testing.T) {
	doc, err := validator.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	if err := compiler.AddResource("cluster.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("cluster.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, text string) error {
		asJSON, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		value, err := validator.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(value)
	}
	files(t, "valid", func(t *testing.T, file, _ string) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(t, string(data)); err != nil {
			t.Error(err)
		}
		c, _, err := config.Load(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(t, render(t, c)); err != nil {
			t.Errorf("with defaults: %v", err)
		}
	})
	const head = "apiVersion: skiff.dev/v1alpha1\nkind: Cluster\n"
	for _, wrong := range []string{
		"kind: Cluster\n", head + "nods: []\n", head + "nodes: [{count: 1}]\n", head + "nodes: [{role: worker}]\n", head + "network: {ipFamily: ipv5}\n",
		head + "kubernetes: {featureGates: {A: 1}}\n", head + "api: {port: 70000}\n", head + "kubernetes: {nodeFailure: {evictAfter: 5}}\n",
	} {
		if check(t, wrong) == nil {
			t.Errorf("accepted:\n%s", strings.TrimPrefix(wrong, head))
		}
	}
}
