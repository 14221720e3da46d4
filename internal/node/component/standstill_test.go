package component

import (
	"testing"
	"time"
)

// TestStandstill notices that the clock jumped, and keeps it in mind for as long as somebody may still take over.
func TestStandstill(t *testing.T) {
	began := time.Now()
	s := standstill{last: began}
	for _, step := range []struct {
		at   time.Duration
		want bool
	}{
		{500 * time.Millisecond, false},
		{4 * time.Second, false}, // a busy machine
		{9 * time.Second, false},
		{15 * time.Second, true}, // six seconds after the last look
		{16 * time.Second, true},
		{20900 * time.Millisecond, true},
		{21 * time.Second, false},
		{40 * time.Second, true},
	} {
		if got := s.suspicious(began.Add(step.at)); got != step.want {
			t.Errorf("after %v: %v", step.at, got)
		}
	}
}
