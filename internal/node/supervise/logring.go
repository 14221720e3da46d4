package supervise

import (
	"bytes"
	"strings"
	"sync"
)

const (
	// ringLines is how many lines a LogRing keeps: what a status shows of a component.
	ringLines = 20
	// ringLineBytes is where a LogRing cuts a line. A stack of 20 lines travels in every event.
	ringLineBytes = 512
)

// LogRing keeps the last lines of what is written to it. Its zero value is ready for use, from several
// goroutines at once.
type LogRing struct {
	mu sync.Mutex
	// lines is a ring once it is full: next is then the oldest line, and the place of the next one.
	lines []string
	next  int
	// partial is the beginning of the line that has not ended yet, at most ringLineBytes of it.
	partial []byte
	cut     bool
}

// Write adds what p holds. It never fails.
func (r *LogRing) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := p
	for {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		r.extend(line)
		if !ended {
			return len(p), nil
		}
		r.end()
		rest = after
	}
}

// Lines returns the last lines, oldest first; the line that has not ended yet is one of them.
func (r *LogRing) Lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := make([]string, 0, len(r.lines)+1)
	lines = append(lines, r.lines[r.next:]...)
	lines = append(lines, r.lines[:r.next]...)
	if len(r.partial) > 0 {
		lines = append(lines, r.text())
	}
	return lines[max(0, len(lines)-ringLines):]
}

// endLine ends a line that its writer left open, so that the next writer's line does not begin with it.
func (r *LogRing) endLine() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.partial) > 0 {
		r.end()
	}
}

// extend adds to the open line as much as fits.
func (r *LogRing) extend(p []byte) {
	if room := ringLineBytes - len(r.partial); len(p) > room {
		p, r.cut = p[:room], true
	}
	r.partial = append(r.partial, p...)
}

// end moves the open line into the ring.
func (r *LogRing) end() {
	line := r.text()
	r.partial, r.cut = r.partial[:0], false
	if len(r.lines) < ringLines {
		r.lines = append(r.lines, line)
		return
	}
	r.lines[r.next] = line
	r.next = (r.next + 1) % ringLines
}

// text is the open line as it is shown. The cut may have gone through a character.
func (r *LogRing) text() string {
	text := strings.ToValidUTF8(strings.TrimSuffix(string(r.partial), "\r"), "")
	if r.cut {
		text += "…"
	}
	return text
}
