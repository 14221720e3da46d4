package status

import (
	"encoding/json"
	"io"

	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// Process is what one run of the Kubernetes process tells of the components in it.
type Process struct {
	board *Board
	// names of the components that this run has reported.
	names map[string]bool
}

// Listen reads the events of one run of the Kubernetes process until its end of the pipe is closed, which is
// when it ends, and then says of each of its components that it failed.
func (b *Board) Listen(pipe io.Reader) {
	p := &Process{board: b, names: map[string]bool{}}
	events := json.NewDecoder(pipe)
	for {
		var e nodeapi.Event
		if err := events.Decode(&e); err != nil {
			break // the end, or what no Kubernetes process of this image writes
		}
		p.take(e)
	}
	p.ended()
}

// take folds one event into the board.
func (p *Process) take(e nodeapi.Event) {
	b := p.board
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case e.Kind == nodeapi.EventComponent && e.Component != nil:
		c := *e.Component
		if c.State == nodeapi.StateGivenUp {
			c.State = nodeapi.StateFailed // its process has; PID 1 starts that again, and the component with it
		}
		if old := b.find(c.Name); old != nil {
			if !p.names[c.Name] { // the first word of a new process about a component that was there before
				old.Restarts++
			}
			// Nothing in that process is restarted alone, so it counts none itself.
			c.Restarts = old.Restarts
			if c.LastError == "" {
				c.LastError = old.LastError
			}
		}
		p.names[c.Name] = true
		b.component(c)
	case e.Kind == nodeapi.EventCondition && e.Condition != nil && e.Condition.Name != nodeapi.ConditionComponents:
		b.condition(*e.Condition)
	case e.Kind == nodeapi.EventHosted:
		b.complete = true
	default:
		return
	}
	b.judge()
}

// ended marks what the process hosted.
func (p *Process) ended() {
	b := p.board
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complete = false
	for name := range p.names {
		c := *b.find(name)
		if c.State != nodeapi.StateStopped {
			if c.State != nodeapi.StateFailed && c.State != nodeapi.StateGivenUp {
				c.LastError = "the Kubernetes process ended"
			}
			c.State = nodeapi.StateFailed
		}
		c.Since, c.PID = b.now(), 0
		b.component(c)
	}
	for _, name := range nodeapi.RemoteConditions(b.status.Role) {
		b.condition(nodeapi.Condition{Name: name, Message: "the Kubernetes process ended", Since: b.now()})
	}
	b.judge()
}

func (b *Board) find(name string) *nodeapi.ComponentStatus {
	for i := range b.status.Components {
		if b.status.Components[i].Name == name {
			return &b.status.Components[i]
		}
	}
	return nil
}
