// Package status gathers what the parts of a node report into the one [nodeapi.Status], tells of each change on
// the node's standard output, and serves the whole on a socket inside the node.
package status

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Board is the state of a node. Its methods may be called concurrently.
type Board struct {
	// Restart lets a component of PID 1's begin anew; nil if there is nobody who can. It is set before Serve.
	Restart func(component string) error

	mu     sync.Mutex
	status nodeapi.Status
	// complete is false until the Kubernetes process, if the node has one, has named its components: before that, "all
	// are ready" means nothing.
	complete bool
	out      *teller
	now      func() time.Time
}

// NewBoard returns the board of a node that has just started. Events are written to out, one JSON document per
// line.
func NewBoard(config nodeapi.Config, versions map[string]string, out io.Writer, now func() time.Time) *Board {
	b := &Board{out: newTeller(out), now: now, complete: config.Role == nodeapi.RoleEdge}
	b.status = nodeapi.Status{
		Cluster: config.Cluster, Node: config.Node, Role: config.Role, Started: now(), Versions: versions,
		Components: []nodeapi.ComponentStatus{},
	}
	for _, name := range append([]string{nodeapi.ConditionComponents}, nodeapi.RemoteConditions(config.Role)...) {
		b.status.Conditions = append(b.status.Conditions, nodeapi.Condition{Name: name, Message: "the node is starting", Since: now()})
	}
	return b
}

// Snapshot returns the state as it is now.
func (b *Board) Snapshot() nodeapi.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.Conditions = slices.Clone(s.Conditions)
	s.Components = slices.Clone(s.Components)
	return s
}

// Component takes a component's new status.
func (b *Board) Component(c nodeapi.ComponentStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.component(c)
	b.judge()
}

// component stores and tells a component's status.
func (b *Board) component(c nodeapi.ComponentStatus) {
	if c.Version == "" {
		c.Version = b.status.Versions[c.Name]
	}
	i := slices.IndexFunc(b.status.Components, func(o nodeapi.ComponentStatus) bool { return o.Name == c.Name })
	if i < 0 {
		b.status.Components = append(b.status.Components, c)
	} else {
		b.status.Components[i] = c
	}
	b.tell(nodeapi.Event{Kind: nodeapi.EventComponent, Component: &c})
}

// lastWords is how long the node waits for somebody to hear why it ends.
const lastWords = 2 * time.Second

// Fatal tells that the node cannot go on, and returns when it is told.
func (b *Board) Fatal(err error) {
	b.mu.Lock()
	b.tell(nodeapi.Event{Kind: nodeapi.EventFatal, Message: err.Error()})
	b.mu.Unlock()
	b.out.flush(lastWords)
}

// condition stores a clause of the contract, and tells if it changed.
func (b *Board) condition(c nodeapi.Condition) {
	i := slices.IndexFunc(b.status.Conditions, func(o nodeapi.Condition) bool { return o.Name == c.Name })
	if i < 0 {
		b.status.Conditions = append(b.status.Conditions, c)
	} else {
		old := b.status.Conditions[i]
		if old.Met == c.Met && old.Message == c.Message {
			return
		}
		b.status.Conditions[i] = c
	}
	b.tell(nodeapi.Event{Kind: nodeapi.EventCondition, Condition: &c})
}

// judge decides whether all components are ready, and with them the node.
func (b *Board) judge() {
	var missing []string
	for _, c := range b.status.Components {
		if c.State != nodeapi.StateReady {
			missing = append(missing, fmt.Sprintf("%s is %s", c.Name, c.State))
		}
	}
	if !b.complete {
		missing = append(missing, "the Kubernetes process is starting")
	}
	b.condition(nodeapi.Condition{
		Name: nodeapi.ConditionComponents, Met: len(missing) == 0, Message: strings.Join(missing, ", "), Since: b.now(),
	})
	ready := true
	for _, c := range b.status.Conditions {
		ready = ready && c.Met
	}
	if ready && !b.status.Ready {
		b.tell(nodeapi.Event{Kind: nodeapi.EventReady})
	}
	b.status.Ready = ready
}

// tell writes an event. What components do is in the status as well, so those events may be dropped.
func (b *Board) tell(e nodeapi.Event) {
	e.Time = b.now()
	line, err := json.Marshal(e)
	if err != nil {
		return // no type here can fail to encode
	}
	b.out.tell(append(line, '\n'), e.Kind == nodeapi.EventComponent || e.Kind == nodeapi.EventCondition)
}
