// Package fault is the error type that users see: what happened, why, and what to do next. It is created
// where the knowledge is, or matched from third-party text by the catalogue.
package fault

import "errors"

// Code is a stable, machine-readable name of a kind of failure. Package cli maps codes to exit codes.
type Code string

// Codes of faults.
const (
	Usage              Code = "usage"               // wrong flags or arguments
	Invalid            Code = "invalid"             // well-formed input that means nothing sensible
	NotFound           Code = "not-found"           // no such cluster, node, image, file
	Exists             Code = "exists"              // a cluster of that name exists
	DockerUnreachable  Code = "docker-unreachable"  // not running, or nothing listens
	DockerPermission   Code = "docker-permission"   // the socket refuses this user
	DockerTooOld       Code = "docker-too-old"      // its API is older than what Skiff needs
	DockerRefused      Code = "docker-refused"      // the engine refuses a capability, a mount, an option
	NoSpace            Code = "no-space"            // the engine's disk is full
	NoImage            Code = "no-image"            // this binary carries no node image
	PortInUse          Code = "port-in-use"         // a host port is taken
	NetworkOverlap     Code = "network-overlap"     // no free subnet
	KubeconfigInvalid  Code = "kubeconfig-invalid"  // cannot be parsed
	KubeconfigReadOnly Code = "kubeconfig-readonly" // cannot be written
	KubeconfigLocked   Code = "kubeconfig-locked"   // someone else writes it
	NotReady           Code = "not-ready"           // the readiness contract was not met in time
	NodeFailed         Code = "node-failed"         // a node or component ended
	ManifestRefused    Code = "manifest-refused"    // the cluster is ready, and an object of its manifests was not taken
	Conflict           Code = "conflict"            // another skiff works on the same cluster
	Canceled           Code = "canceled"            // Ctrl-C
	Internal           Code = "internal"            // a bug
)

// Error is a failure in a user's words.
type Error struct {
	Code Code
	// Summary says what happened: one sentence, lower case, no full stop.
	Summary string
	// Hint says what to do next: sentences with a capital and a full stop, commands in single quotes, as in
	// "Run 'skiff doctor'." Several are lines of their own; what is to be copied without quotes, such as a URL,
	// comes last and then has no full stop.
	Hint string
	// Details are further lines to show: a component's last log lines, for example.
	Details []string
	// Field is the field of a cluster file that is at fault, as "nodes[1].cpus"; "" if there is none. Who has read the
	// file knows the line.
	Field string
	// Cause is the error underneath, or nil.
	Cause error
}

// Error returns the summary and the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Summary
	}
	return e.Summary + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of the outermost Error in err's chain, or Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
