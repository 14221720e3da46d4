package supervise

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestRestart lets a component that serves begin anew, and one that waits after a failure.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory()
		m, err := NewManager([]Component{
			fake("serves", nil, Restart{}, fakeRun{stopAfter: time.Second}),
			fake("fails", nil, Restart{}, fakeRun{endAfter: 1500 * time.Millisecond, endErr: errors.New("boom")}, fakeRun{}),
		}, h.add)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		time.AfterFunc(1550*time.Millisecond, func() { _ = m.Restart("fails") })
		time.AfterFunc(3*time.Second, func() { _ = m.Restart("serves") })
		if err := m.Restart("nobody"); err == nil {
			t.Error("a component that does not exist was restarted")
		}
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		h.check(t, false, []string{
			"0s fails starting", "0s fails ready",
			"0s serves starting", "0s serves ready",
			"1.5s fails failed: boom", "1.5s fails backoff: boom",
			"1.55s fails starting #1: boom", "1.55s fails ready #1: boom",
			"4s serves starting #1", "4s serves ready #1",
			"10s fails stopped #1: boom", "11s serves stopped #1",
		})
	})
}

// TestRestartThatHasCome: a component that begins after it was asked to begin anew does not do so twice.
func TestRestartThatHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory()
		m, err := NewManager([]Component{fake("app", nil, Restart{}, fakeRun{})}, h.add)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Restart("app"); err != nil { // it does not run yet
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		h.check(t, true, []string{"0s app starting", "0s app ready", "1s app stopped"})
	})
}
