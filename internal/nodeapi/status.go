package nodeapi

import (
	"strings"
	"time"
)

// State is where a component is in its life.
//
//	waiting ──► starting ──► ready ◄──► unhealthy
//	             ▲    │        │            │
//	             │    └───┐    │    ┌───────┘
//	             │        ▼    ▼    ▼
//	          backoff ◄───── failed ─────► given-up
//
//	any but given-up ──► stopped
//	starting, ready, unhealthy, backoff ──► starting, if it is asked to begin anew
type State string

// States of components.
const (
	StateWaiting   State = "waiting"   // for the components it depends on
	StateStarting  State = "starting"  // runs, does not serve yet
	StateReady     State = "ready"     // serves
	StateUnhealthy State = "unhealthy" // served, and its health check now fails
	StateFailed    State = "failed"    // ended without being asked to
	StateBackoff   State = "backoff"   // will be started again after a pause
	StateGivenUp   State = "given-up"  // will not be started again
	StateStopped   State = "stopped"   // ended because it was asked to
)

// ComponentStatus is one component as the node sees it now.
type ComponentStatus struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Since is when State was entered.
	Since time.Time `json:"since"`
	// WaitsFor names the dependencies that are not ready, in StateWaiting.
	WaitsFor []string `json:"waitsFor,omitempty"`
	Restarts int      `json:"restarts"`
	// LastError is why it last failed or is unhealthy, kept after it recovered.
	LastError string `json:"lastError,omitempty"`
	// LastLog are its last log lines, oldest first, at most 20.
	LastLog []string `json:"lastLog,omitempty"`
	// PID is the process that hosts it, in the node's PID namespace.
	PID     int    `json:"pid,omitempty"`
	Version string `json:"version,omitempty"`
}

// Names of the conditions that make up the readiness contract.
const (
	ConditionComponents     = "components"      // every component is ready
	ConditionNode           = "node"            // this node is Ready
	ConditionPods           = "pods"            // none of this node's pods is shown as it was before the node's start
	ConditionDNS            = "dns"             // kubernetes.default resolves through the kube-dns Service
	ConditionServiceAccount = "service-account" // default/default exists
	ConditionAPI            = "api"             // the API answers on the address in the kubeconfig; no node can say so
)

// RemoteConditions are the conditions that the Kubernetes process of a node watches. PID 1 adds [ConditionComponents].
// An agent may not read what is not its own, and an edge has no Kubernetes process.
func RemoteConditions(role Role) []string {
	switch role {
	case RoleServer:
		return []string{ConditionNode, ConditionPods, ConditionDNS, ConditionServiceAccount}
	case RoleAgent:
		return []string{ConditionNode, ConditionPods, ConditionDNS}
	}
	return nil
}

// Condition is one clause of the readiness contract.
type Condition struct {
	Name string `json:"name"`
	Met  bool   `json:"met"`
	// Message says, if it is not met, what is missing; lower case, no full stop.
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
}

// Status is the node as a whole, served at [StatusSocket].
type Status struct {
	Cluster string    `json:"cluster"`
	Node    string    `json:"node"`
	Role    Role      `json:"role"`
	Started time.Time `json:"started"`
	// Ready is true if every condition is met.
	Ready      bool              `json:"ready"`
	Conditions []Condition       `json:"conditions"`
	Components []ComponentStatus `json:"components"`
	// Versions of everything in the image, by name.
	Versions map[string]string `json:"versions,omitempty"`
}

// EventKind tells the events of a node apart.
type EventKind string

// Kinds of events.
const (
	EventComponent EventKind = "component" // Component entered a state
	EventCondition EventKind = "condition" // Condition changed
	EventHosted    EventKind = "hosted"    // the Kubernetes process has named all components that it hosts
	EventReady     EventKind = "ready"     // all conditions became met
	EventFatal     EventKind = "fatal"     // the node cannot go on; Message says why
)

// Event is one line that PID 1 of a node writes to its standard output, as JSON. The command line attaches
// to it before it starts the container, so that it learns of every step without asking.
type Event struct {
	Time      time.Time        `json:"time"`
	Kind      EventKind        `json:"kind"`
	Component *ComponentStatus `json:"component,omitempty"`
	Condition *Condition       `json:"condition,omitempty"`
	Message   string           `json:"message,omitempty"`
}

// Member is a member of the datastore, as the servers know it.
type Member struct {
	// Name is the server's.
	Name string `json:"name"`
	// Learner is true until a member that was added has caught up; it has no vote before.
	Learner bool `json:"learner,omitempty"`
	Leader  bool `json:"leader,omitempty"`
}

// Detail says why a component is not ready, or was not, in one line; "" if there is nothing to say.
func (c ComponentStatus) Detail() string {
	if c.State == StateWaiting && len(c.WaitsFor) > 0 {
		waits := "waits for " + strings.Join(c.WaitsFor, ", ")
		if c.LastError == "" {
			return waits
		}
		return strings.Join(strings.Fields(c.LastError), " ") + " (" + waits + ")"
	}
	return strings.Join(strings.Fields(c.LastError), " ")
}
