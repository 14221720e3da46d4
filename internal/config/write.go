package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML returns the cluster as a file that [Load] reads as the same cluster, with the fields in the order of the types.
func (c *Cluster) YAML() ([]byte, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write the cluster: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil { // JSON is YAML, in a style that people do not like to read
		return nil, fmt.Errorf("write the cluster: %w", err)
	}
	plain(&doc)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&doc); err != nil {
		return nil, fmt.Errorf("write the cluster: %w", err)
	}
	return out.Bytes(), encoder.Close()
}

// plain lets YAML choose the style: quotes only where they are needed, lists and mappings in lines of their own, except
// for empty ones. Text with more than letters and line ends in it keeps the quotes.
func plain(n *yaml.Node) {
	switch odd := strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' && r != '\n' || r > '~' }); {
	case n.Kind == yaml.ScalarNode && (odd || strings.Contains(n.Value, " \n") || strings.HasPrefix(n.Value, "\n")):
	case n.Kind == yaml.ScalarNode || len(n.Content) > 0:
		n.Style = 0
	}
	for _, c := range n.Content {
		plain(c)
	}
}
