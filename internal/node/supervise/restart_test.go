package supervise

import (
	"slices"
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name    string
		restart Restart
		want    []time.Duration // after the first, second, … failure
	}{
		{"defaults", Restart{}, []time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 10000 * ms, 10000 * ms}},
		{"own", Restart{Initial: 30 * ms, Max: 100 * ms}, []time.Duration{30 * ms, 60 * ms, 100 * ms, 100 * ms}},
		{"Max below Initial", Restart{Initial: 30 * ms, Max: 10 * ms}, []time.Duration{10 * ms, 10 * ms}},
	} {
		var got []time.Duration
		for i := range tc.want {
			got = append(got, tc.restart.pause(i+1))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
	if got := (Restart{}).pause(1 << 30); got != defaultMax {
		t.Errorf("after very many failures: %v", got)
	}
}

func TestGivesUp(t *testing.T) {
	for _, tc := range []struct {
		after, failures int
		want            bool
	}{{0, 1000, false}, {1, 1, true}, {3, 2, false}, {3, 3, true}} {
		if got := (Restart{GiveUpAfter: tc.after}).givesUp(tc.failures); got != tc.want {
			t.Errorf("GiveUpAfter %d, %d failures: %t", tc.after, tc.failures, got)
		}
	}
}
