// Package event is how work tells of its progress. Whoever works emits events to a [Sink]; only package ui
// turns them into sentences, colours and animation. It imports nothing of ours.
package event

import "time"

// State is where a step is in its life.
type State string

// States of a step.
const (
	Started  State = "started"
	Progress State = "progress" // may be dropped by a slow renderer; all others may not
	Done     State = "done"
	Failed   State = "failed"
	Skipped  State = "skipped" // there was nothing to do
	Undone   State = "undone"  // was done and has been rolled back
)

// Event is one thing that happened to one step. IDs are stable, machine-readable and unique in one run:
// "image", "network", "node/skiff-demo-server-1", "start/skiff-demo-server-1/check/dns".
type Event struct {
	Time time.Time `json:"time"`
	ID   string    `json:"id"`
	// Parent is the ID of the step that this one is a part of, or "".
	Parent string `json:"parent,omitempty"`
	// Kind is what sort of step it is; package ui has a phrase for each.
	Kind  Kind  `json:"kind"`
	State State `json:"state"`
	// Subject is what the step works on: a node's, a component's or an image's name.
	Subject string `json:"subject,omitempty"`
	// Detail is a short free text, lower case: what is being waited for.
	Detail string `json:"detail,omitempty"`
	// Done and Total count Unit ("bytes", "nodes"); Total 0 means unknown.
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Unit  string `json:"unit,omitempty"`
	// Err is why the step failed. In JSON it is a string.
	Err error `json:"-"`
}

// Kind is a sort of step.
type Kind string

// Kinds of steps.
const (
	KindImage      Kind = "image"      // load the node image into Docker
	KindCerts      Kind = "certs"      // make the cluster's certificates
	KindNetwork    Kind = "network"    // create the cluster's network
	KindVolume     Kind = "volume"     // create a node's volume
	KindNode       Kind = "node"       // create and start a node; Subject is its name
	KindStart      Kind = "start"      // wait until the node's components are ready
	KindStop       Kind = "stop"       // stop a node; Subject is its name
	KindPause      Kind = "pause"      // freeze a node
	KindResume     Kind = "resume"     // let a frozen node go on
	KindDrain      Kind = "drain"      // move the pods of a node to others
	KindMember     Kind = "member"     // change the datastore's list of members; Subject is the server
	KindObject     Kind = "object"     // change the labels and taints of a node
	KindSettings   Kind = "settings"   // write a node's configuration, for its next start
	KindRestart    Kind = "restart"    // let a node, or its Kubernetes process, begin anew with another configuration
	KindRestore    Kind = "restore"    // give a node the configuration back that it had
	KindMove       Kind = "move"       // make a server one of several: the API's endpoint leaves it
	KindComponent  Kind = "component"  // one component of a node came up; child of KindStart
	KindCheck      Kind = "check"      // one clause of the readiness contract; Subject is its name
	KindKubeconfig Kind = "kubeconfig" // write the kubeconfig entry
	KindManifest   Kind = "manifest"   // apply a file of objects; Subject is its path
	KindDelete     Kind = "delete"     // remove an object; Subject names it
	KindRollback   Kind = "rollback"   // undo what was done
	KindLoad       Kind = "load"       // load an image into a node
	KindBundle     Kind = "bundle"     // collect diagnostics
)

// Sink receives events. Emit must be safe for concurrent use and must not block for long.
type Sink interface {
	Emit(Event)
}

// SinkFunc makes a function a Sink.
type SinkFunc func(Event)

// Emit calls f.
func (f SinkFunc) Emit(e Event) { f(e) }

// Discard drops every event.
var Discard Sink = SinkFunc(func(Event) {})
