package nodeapi

import (
	"encoding/json"
	"fmt"
	"os"
)

// ReadConfig reads a node's configuration, and refuses one of another version.
func ReadConfig(path string) (Config, error) {
	var config Config
	data, err := os.ReadFile(path)
	if err != nil {
		return config, fmt.Errorf("read the node's configuration: %w", err)
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return config, fmt.Errorf("%s: %w", path, err)
	}
	if config.APIVersion != ConfigVersion {
		return config, fmt.Errorf("%s has apiVersion %q, and this node image understands %q", path, config.APIVersion, ConfigVersion)
	}
	return config, nil
}
