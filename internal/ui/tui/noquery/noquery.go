// Package noquery keeps Bubble Tea from asking the terminal for its background colour at the start of every
// command, those that draw nothing included. A terminal that does not answer (one that a CI system or a script
// made) holds skiff up for five seconds, and shows the question as garbage.
//
// Bubble Tea asks in an init function, unless TERM names a terminal that cannot be asked. So this package names one
// until [Restore]. It imports nothing but the standard library, and Go initialises packages that are ready in the
// order of their import paths: it comes before golang.org/x/sys, which Bubble Tea needs. A test of package tui
// measures that it works.
package noquery

import "os"

const variable = "TERM"

var term, isSet = os.LookupEnv(variable)

func init() {
	if isSet {
		_ = os.Setenv(variable, "dumb") // the worst is that the terminal is asked
	}
}

// Restore puts the user's TERM back.
func Restore() {
	if isSet {
		_ = os.Setenv(variable, term)
	}
}
