package forward

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// State is where a target is in its life.
//
//	           a check succeeds
//	unknown ───────────────────► healthy ◄──────────────┐
//	   │                          │  │  ▲               │
//	   │               a check    │  │  │ a check       │
//	   │               fails      │  │  │ succeeds      │ a check
//	   │                          ▼  │  │               │ succeeds
//	   │                       suspect ─┘               │
//	   │ a check                  │  │                  │
//	   │ fails                    │  │ a dial is refused or not answered (from any of these),
//	   │                          ▼  ▼ or a second check fails
//	   └───────────────────────► down ──────────────────┘
//
//	any of them ──► draining ──► removed
//
// New connections go to a healthy target; if there is none, to one that is unknown or suspect; if all are down, to
// those.
//
// A target that is not healthy and whose checks are not answered has its connections reset, because they hang: if
// another is healthy. Otherwise it may be that the whole machine is overloaded, and it would not help to have everybody
// come again. One that refuses, or says that it is not ready, keeps its connections: it is alive, and ends them itself.
type State string

// The states of a target.
const (
	StateUnknown  State = "unknown"  // not checked yet
	StateHealthy  State = "healthy"  // the last check succeeded
	StateSuspect  State = "suspect"  // was healthy, and the last check failed
	StateDown     State = "down"     // does not serve
	StateDraining State = "draining" // was removed, and has connections yet
	StateRemoved  State = "removed"  // is gone
)

// rank orders states by how much a new connection prefers them, the best first.
func (s State) rank() int {
	switch s {
	case StateHealthy:
		return 0
	case StateDown:
		return 2
	default:
		return 1
	}
}

// afterFailedCheck is the state after a check has failed.
func (s State) afterFailedCheck() State {
	if s == StateHealthy {
		return StateSuspect
	}
	return StateDown
}

// Health is what the Forwarder knows of a target.
type Health struct {
	Target
	State State `json:"state"`
	// Since is when State was entered.
	Since time.Time `json:"since"`
	// LastError is why it last failed, kept after it recovered.
	LastError string `json:"lastError,omitempty"`
	// Connections is how many connections it has, those being dialled included.
	Connections int `json:"connections"`
}

// isSilent is true for an error of something that does not answer at all: frozen, cut off, or no longer there.
func isSilent(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout() ||
		isAny(err, syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETUNREACH)
}

// isOurs is true for an error that says nothing of the target: this machine lacks something, or nobody wants to know
// any longer.
func isOurs(err error) bool {
	return isAny(err, context.Canceled, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL)
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
