// Package e2e holds scenarios on real Docker: each states an obligation of Skiff's, takes steps as a user would,
// and checks the state that must follow. The build tag e2e selects them; see README.md for how to run, read and
// write them.
package e2e
