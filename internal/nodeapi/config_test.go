package nodeapi

import (
	"encoding/json"
	"testing"
)

// TestSettingsAreFlat: older and newer nodes find a cluster's settings beside the rest of their configuration.
func TestSettingsAreFlat(t *testing.T) {
	config := Config{Node: "n", Settings: Settings{FeatureGates: map[string]bool{"A": true}, ContainerdPatches: []string{"b"}}}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if string(fields["featureGates"]) != `{"A":true}` || string(fields["containerdPatches"]) != `["b"]` || string(fields["node"]) != `"n"` {
		t.Errorf("%s", text)
	}
}
