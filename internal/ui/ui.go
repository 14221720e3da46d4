// Package ui turns events into what a person or a program reads. It is the only place with sentences, symbols
// and colours for progress, and it writes to the error stream only: standard output belongs to data.
//
// A [Renderer] is an [event.Sink] with an end. Four exist: package tui animates on a terminal, [NewPlain]
// writes one line per finished step, [NewJSON] one JSON object per event, and [NewQuiet] nothing. All are
// safe for concurrent use, never make the working side wait, and end with Close, whether the work
// succeeded, failed or was cancelled.
package ui

import (
	"github.com/skiff-cluster/skiff/internal/event"
)

// Renderer shows events until it is closed.
type Renderer interface {
	event.Sink
	// Close shows what was still to be shown and returns when all of it is written. Events after it are
	// dropped; a second Close does nothing.
	Close()
}

// Mode names a renderer.
type Mode string

// Modes of rendering.
const (
	ModeTUI   Mode = "tui"
	ModePlain Mode = "plain"
	ModeJSON  Mode = "json"
	ModeQuiet Mode = "quiet"
)

// Probe is what the choice of a renderer depends on.
type Probe struct {
	// Terminal is true if the error stream is one.
	Terminal bool
	// JSON and Quiet are the user's wishes.
	JSON, Quiet bool
	// Getenv reads the environment.
	Getenv func(string) string
}

// Choose returns the renderer for a probe. A program that reads JSON gets JSON even on a terminal, and a
// terminal that cannot move its cursor, or a CI system that records one, gets plain lines.
func Choose(p Probe) Mode {
	switch {
	case p.JSON:
		return ModeJSON
	case p.Quiet:
		return ModeQuiet
	case !p.Terminal, p.Getenv("TERM") == "dumb", p.Getenv("CI") != "":
		return ModePlain
	}
	return ModeTUI
}

// Colour says if a terminal may be sent colours (see no-color.org).
func (p Probe) Colour() bool {
	return p.Terminal && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"
}
