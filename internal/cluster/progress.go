package cluster

import (
	"sync"
	"time"

	"github.com/skiff-cluster/skiff/internal/event"
)

// progressPause is the least time between two progress events of a transfer.
const progressPause = 50 * time.Millisecond

// progress is a writer that tells how many bytes went through it.
type progress struct {
	emit  func(event.Event)
	event event.Event

	mu   sync.Mutex
	last time.Time
}

// progress returns a writer that tells of a transfer of total bytes, 0 if that is unknown. base says of which step.
func (s *Service) progress(base event.Event, total int64) *progress {
	base.State, base.Total, base.Unit = event.Progress, total, "bytes"
	return &progress{emit: s.emit, event: base}
}

// Write counts.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.event.Done += int64(len(b))
	// What was announced was an estimate if it is passed.
	if p.event.Total > 0 {
		p.event.Total = max(p.event.Total, p.event.Done)
	}
	if now := time.Now(); now.Sub(p.last) >= progressPause {
		p.last = now
		p.emit(p.event)
	}
	return len(b), nil
}
