package supervise

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestStates follows one component through its life, minute by minute.
func TestStates(t *testing.T) {
	boom := errors.New("boom")
	for _, tc := range []struct {
		name    string
		restart Restart
		runs    []fakeRun
		runFor  time.Duration // a minute if zero
		want    []string
		wantErr string
	}{
		{
			name: "serves until it is asked to stop",
			runs: []fakeRun{{readyAfter: time.Second}},
			want: []string{"0s app starting", "1s app ready", "1m0s app stopped"},
		},
		{
			name: "takes its time to stop",
			runs: []fakeRun{{stopAfter: 4 * time.Second}},
			want: []string{"0s app starting", "0s app ready", "1m4s app stopped"},
		},
		{
			name: "says why it did not stop well",
			runs: []fakeRun{{stopErr: boom}},
			want: []string{"0s app starting", "0s app ready", "1m0s app stopped: boom"},
		},
		{
			name: "ignores that it is asked to stop",
			runs: []fakeRun{{stopAfter: time.Hour}},
			want: []string{"0s app starting", "0s app ready", "1m5s app stopped: did not end within 5s of being asked to"},
		},
		{
			name: "fails while it starts, then while it serves, then recovers",
			runs: []fakeRun{
				{readyAfter: forever, endAfter: time.Second, endErr: boom},
				{readyAfter: time.Second, endAfter: 2 * time.Second, endErr: errors.New("bang")},
				{readyAfter: time.Second},
			},
			want: []string{
				"0s app starting", "1s app failed: boom", "1s app backoff: boom",
				"1.2s app starting #1: boom", "2.2s app ready #1: boom", "3.2s app failed #1: bang", "3.2s app backoff #1: bang",
				"3.6s app starting #2: bang", "4.6s app ready #2: bang", "1m0s app stopped #2: bang",
			},
		},
		{
			name:   "ends without an error and without being asked to",
			runs:   []fakeRun{{endAfter: time.Second}},
			runFor: 1100 * time.Millisecond,
			want: []string{
				"0s app starting", "0s app ready", "1s app failed: ended without being asked to",
				"1s app backoff: ended without being asked to", "1.1s app stopped: ended without being asked to",
			},
		},
		{
			name:    "may fail once only",
			restart: Restart{GiveUpAfter: 1},
			runs:    []fakeRun{{endAfter: time.Second, endErr: boom}},
			want:    []string{"0s app starting", "0s app ready", "1s app failed: boom", "1s app given-up: boom"},
			wantErr: "app failed: boom",
		},
		{
			name:    "gives up after failures in a row, not after failures long apart",
			restart: Restart{Initial: time.Second, ResetAfter: 10 * time.Second, GiveUpAfter: 2},
			runs: []fakeRun{
				{endAfter: time.Second, endErr: boom},
				{endAfter: 11 * time.Second, endErr: boom},
				{readyAfter: time.Second, endAfter: 10*time.Second + 999*time.Millisecond, endErr: errors.New("bang")},
			},
			want: []string{
				"0s app starting", "0s app ready", "1s app failed: boom", "1s app backoff: boom",
				"2s app starting #1: boom", "2s app ready #1: boom", "13s app failed #1: boom", "13s app backoff #1: boom",
				"14s app starting #2: boom", "15s app ready #2: boom", "24.999s app failed #2: bang", "24.999s app given-up #2: bang",
			},
			wantErr: "app failed 2 times in a row: bang",
		},
		{
			name:    "knows that it will not become ready",
			restart: Restart{GiveUpAfter: 1},
			runs:    []fakeRun{{readyAfter: time.Second, readyErr: boom, stopErr: errors.New("bang")}},
			want: []string{
				"0s app starting", "1s app failed: does not become ready: boom; then: bang",
				"1s app given-up: does not become ready: boom; then: bang",
			},
			wantErr: "app failed: does not become ready: boom; then: bang",
		},
		{
			name: "says what it waits for, and forgets it",
			runs: []fakeRun{
				{readyAfter: 6 * time.Second, endAfter: 7 * time.Second, endErr: boom},
				{readyAfter: 16 * time.Second},
			},
			want: []string{
				"0s app starting", "5s app starting: not ready yet: waited for the dawn", "6s app ready",
				"7s app failed: boom", "7s app backoff: boom", "7.2s app starting #1: boom",
				"12.2s app starting #1: not ready yet: waited for the dawn",
				"22.2s app starting #1: not ready yet: waited for the dawn",
				"23.2s app ready #1: boom", "1m0s app stopped #1: boom",
			},
		},
		{
			name: "is unhealthy for a while",
			runs: []fakeRun{{readyAfter: time.Second, sickFrom: 20 * time.Second, sickTo: 24 * time.Second}},
			want: []string{
				"0s app starting", "1s app ready", "21s app unhealthy: sick", "25s app ready: sick", "1m0s app stopped: sick",
			},
		},
		{
			name:    "is unhealthy and fails",
			restart: Restart{GiveUpAfter: 1},
			runs:    []fakeRun{{sickFrom: 5 * time.Second, sickTo: forever, endAfter: 13 * time.Second, endErr: boom}},
			want: []string{
				"0s app starting", "0s app ready", "10s app unhealthy: sick", "13s app failed: boom", "13s app given-up: boom",
			},
			wantErr: "app failed: boom",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tc.runFor == 0 {
					tc.runFor = time.Minute
				}
				h, _, err := runFor(t, tc.runFor, fake("app", nil, tc.restart, tc.runs...))
				h.check(t, true, tc.want)
				if got := errorText(err); got != tc.wantErr {
					t.Errorf("Run: %q, want %q", got, tc.wantErr)
				}
				time.Sleep(2 * time.Hour) // until the one that ignores its end has ended too
			})
		})
	}
}

// TestHealthEvery asks a component that wants it more often than others.
func TestHealthEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake("app", nil, Restart{}, fakeRun{sickFrom: 3500 * time.Millisecond, sickTo: 4500 * time.Millisecond})
		c.HealthEvery = time.Second
		h, _, err := runFor(t, 8*time.Second, c)
		h.check(t, true, []string{
			"0s app starting", "0s app ready", "4s app unhealthy: sick", "5s app ready: sick", "8s app stopped: sick",
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestHealthIsBounded has a probe that hangs: it counts as failed, and does not keep the component from ending.
func TestHealthIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake("app", nil, Restart{}, fakeRun{})
		c.Healthy = blockUntilDone
		h, _, err := runFor(t, 18*time.Second, c)
		h.check(t, true, []string{
			"0s app starting", "0s app ready", "15s app unhealthy: context deadline exceeded",
			"18s app stopped: context deadline exceeded",
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
