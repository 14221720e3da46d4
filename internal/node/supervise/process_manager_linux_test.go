package supervise

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// TestManagedProcessIsKilled: a process that somebody kills is started again, as another process.
func TestManagedProcessIsKilled(t *testing.T) {
	changes := make(chan nodeapi.ComponentStatus, 100)
	p := child("obey")
	m, err := NewManager([]Component{{
		Name: "app", Runner: p, Restart: Restart{Initial: time.Millisecond},
	}}, func(s nodeapi.ComponentStatus) { changes <- s })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()

	first := awaitState(changes, nodeapi.StateReady)
	if first.PID == 0 {
		t.Fatal("ready without a process")
	}
	if err := unix.Kill(first.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if failed := awaitState(changes, nodeapi.StateFailed); failed.LastError != "killed by signal 9 (killed)" || failed.PID != 0 {
		t.Errorf("%+v", failed)
	}
	again := awaitState(changes, nodeapi.StateReady)
	if again.PID == 0 || again.PID == first.PID || again.Restarts != 1 {
		t.Errorf("%+v, was process %d", again, first.PID)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := unix.Kill(again.PID, 0); err != unix.ESRCH {
		t.Errorf("process %d is still there: %v", again.PID, err)
	}
}

// TestManagedProcessDoesNotStart: such a component was never ready.
func TestManagedProcessDoesNotStart(t *testing.T) {
	var states []nodeapi.State
	m, err := NewManager([]Component{{
		Name: "app", Runner: Process{Args: []string{"/no/such/program"}}, Restart: Restart{Initial: time.Millisecond, GiveUpAfter: 2},
	}}, func(s nodeapi.ComponentStatus) { states = append(states, s.State) })
	if err != nil {
		t.Fatal(err)
	}
	want := "app failed 2 times in a row: start program: fork/exec /no/such/program: no such file or directory"
	if err := m.Run(t.Context()); errorText(err) != want {
		t.Errorf("got %q, want %q", errorText(err), want)
	}
	wantStates := []nodeapi.State{
		nodeapi.StateStarting, nodeapi.StateFailed, nodeapi.StateBackoff,
		nodeapi.StateStarting, nodeapi.StateFailed, nodeapi.StateGivenUp,
	}
	if !slices.Equal(states, wantStates) {
		t.Errorf("got %v, want %v", states, wantStates)
	}
}

func TestStopTime(t *testing.T) {
	for _, tc := range []struct {
		name      string
		component Component
		want      time.Duration
	}{
		{"in this process", Component{Runner: Func(blockUntilDone)}, 5 * time.Second},
		{"own", Component{Runner: Process{}, StopTime: time.Second}, time.Second},
		{"of a process", Component{Runner: Process{}}, 13 * time.Second},
		{"of a process with grace", Component{Runner: Process{Grace: time.Second}}, 4 * time.Second},
	} {
		if got := tc.component.stopTime(); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func awaitState(changes <-chan nodeapi.ComponentStatus, state nodeapi.State) nodeapi.ComponentStatus {
	for s := range changes {
		if s.State == state {
			return s
		}
	}
	panic("changes is never closed")
}
