package main

import (
	"strings"
	"testing"
)

// TestStreamRate takes what the sender says, and refuses what would be no rate.
func TestStreamRate(t *testing.T) {
	rate, err := streamRate([]byte(`{"bytes": 3000000000, "seconds": 1.5}` + "\n"))
	if err != nil || rate != 2000 {
		t.Errorf("%v MB/s, %v, want 2000", rate, err)
	}
	for _, said := range []string{"", "dial tcp: refused", `{"bytes": 1, "seconds": 0}`, `{"bytes": 1}`} {
		if rate, err := streamRate([]byte(said)); err == nil || !strings.Contains(err.Error(), "the sender said") {
			t.Errorf("%q: %v MB/s, %v", said, rate, err)
		}
	}
}
