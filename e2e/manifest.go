//go:build e2e

package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// Vars are values of a manifest's template, beside those that every manifest has: Image, Image2, Namespace, Node.
type Vars map[string]any

// Manifest renders a template of testdata.
func (c *Cluster) Manifest(file string, vars Vars) string {
	c.Helper()
	text, err := os.ReadFile(filepath.Join(run.root, "testdata", file))
	c.Must(err, "read a manifest")
	parsed, err := template.New(file).Option("missingkey=error").Parse(string(text))
	c.Must(err, "parse %s", file)
	all := Vars{"Image": Image(1), "Image2": Image(2), "Namespace": c.Namespace, "Node": c.Node()}
	maps.Copy(all, vars)
	var out strings.Builder
	c.Must(parsed.Execute(&out, all), "render %s", file)
	return out.String()
}

// Apply applies a template of testdata with kubectl.
func (c *Cluster) Apply(file string, vars Vars) {
	c.Helper()
	c.KubectlInput(c.Manifest(file, vars), "apply", "--filename=-")
}
