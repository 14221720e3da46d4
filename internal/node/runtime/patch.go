package runtime

import (
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// patch lays TOML documents over a configuration, in order: tables are merged, and everything else, arrays too, is
// replaced. What is Skiff's to set was refused when the cluster file was read.
func patch(config string, patches []string) (string, error) {
	if len(patches) == 0 {
		return config, nil
	}
	tree := map[string]any{}
	if err := toml.Unmarshal([]byte(config), &tree); err != nil {
		return "", fmt.Errorf("containerd's configuration: %w", err)
	}
	for i, p := range patches {
		over := map[string]any{}
		if err := toml.Unmarshal([]byte(p), &over); err != nil {
			return "", fmt.Errorf("patch %d of containerd's configuration: %w", i+1, err)
		}
		merge(tree, over)
	}
	out, err := toml.Marshal(tree)
	if err != nil {
		return "", fmt.Errorf("containerd's configuration: %w", err)
	}
	return string(out), nil
}

// merge lays a table over another.
func merge(base, over map[string]any) {
	for key, value := range over {
		inner, isTable := value.(map[string]any)
		if old, wasTable := base[key].(map[string]any); isTable && wasTable {
			merge(old, inner)
			continue
		}
		base[key] = value
	}
}
