package status

import (
	"io"
	"sync"
	"time"
)

// tellerLimit is how many lines wait for a slow reader before those that may be dropped are. A start is about a
// hundred.
const tellerLimit = 2000

// teller writes lines in the order they come, and makes nobody wait for a reader that is slow or gone: whoever
// attaches to a container and does not read stops what the container prints.
type teller struct {
	out io.Writer

	mu      sync.Mutex
	lines   [][]byte
	waiting *sync.Cond // for lines
	drained *sync.Cond // for all of them to be written
	writing bool
}

func newTeller(out io.Writer) *teller {
	t := &teller{out: out}
	t.waiting, t.drained = sync.NewCond(&t.mu), sync.NewCond(&t.mu)
	go t.write()
	return t
}

// tell queues a line. One that may be dropped is, if too many wait already.
func (t *teller) tell(line []byte, mayDrop bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mayDrop && len(t.lines) >= tellerLimit {
		return
	}
	t.lines = append(t.lines, line)
	t.waiting.Signal()
}

func (t *teller) write() {
	t.mu.Lock()
	for {
		for len(t.lines) == 0 {
			t.writing = false
			t.drained.Broadcast()
			t.waiting.Wait()
		}
		lines := t.lines
		t.lines, t.writing = nil, true
		t.mu.Unlock()
		for _, line := range lines {
			_, _ = t.out.Write(line) // a reader that has gone away must not stop the node
		}
		t.mu.Lock()
	}
}

// flush waits until all that was told is written, for as long as a reader may take.
func (t *teller) flush(patience time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.mu.Lock()
		defer t.mu.Unlock()
		for t.writing || len(t.lines) > 0 {
			t.drained.Wait()
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}
