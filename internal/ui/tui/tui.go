// Package tui shows steps on a terminal, animated and in place, without taking the screen or the keyboard:
// input stays with the shell and Ctrl-C with the signal handler of package cli.
//
// Emit only folds the event into the steps under a lock; a tick draws what is there. So a burst of events
// costs one frame, nothing can block the work, and no event is lost. When it ends, the animation is erased
// and the final state of the steps is printed as ordinary lines, which stay in the terminal's history.
package tui

import (
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/bubbles/spinner"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/ui"
	"github.com/skiff-cluster/skiff/internal/ui/tui/noquery"
)

func init() { noquery.Restore() } // Bubble Tea has been initialised

// Options are what a terminal can do.
type Options struct {
	Colour bool
	// Width is the number of columns until the terminal says otherwise; 0 means 80.
	Width int
	// Verbose keeps the parts of steps that went well.
	Verbose bool
}

// New returns a renderer that draws on out. Drawing begins with the first event.
func New(out io.Writer, opts Options) ui.Renderer {
	if opts.Width <= 0 {
		opts.Width = 80
	}
	return &renderer{out: out, width: opts.Width, styles: newStyles(out, opts.Colour), verbose: opts.Verbose}
}

type renderer struct {
	out     io.Writer
	styles  styles
	verbose bool

	mu      sync.Mutex
	steps   ui.Steps
	width   int
	closed  bool
	program *tea.Program  // nil until the first event
	done    chan struct{} // closed when program has ended
}

func (r *renderer) Emit(e event.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.steps.Apply(e)
	if r.program == nil {
		r.start()
	}
}

// start runs the program. The caller holds mu.
func (r *renderer) start() {
	m := model{
		spinner:  spinner.New(spinner.WithSpinner(spinner.MiniDot)),
		snapshot: r.snapshot, resized: r.resize, ended: r.ended, styles: r.styles, width: r.width, verbose: r.verbose,
	}
	r.program = tea.NewProgram(m, tea.WithOutput(r.out), tea.WithInput(nil),
		tea.WithoutSignalHandler(), tea.WithoutBracketedPaste())
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		// Should the animation fail, the work still goes on and Close prints the result.
		_, _ = r.program.Run()
	}()
}

// Close ends the animation and prints the final state of every step.
func (r *renderer) Close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.closed = true
	program, done := r.program, r.done
	r.mu.Unlock()
	if program == nil {
		return
	}
	// Quit waits for a running program to listen. One that has ended by itself listens no more, but then it
	// has ended its context too; done covers a program that never came to life.
	go program.Quit()
	<-done
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = io.WriteString(r.out, draw(r.steps.Roots, view{
		now: time.Now(), width: r.width, spinner: stillSymbol, styles: r.styles, verbose: r.verbose,
	}))
}

func (r *renderer) snapshot() []*ui.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps.Clone()
}

func (r *renderer) resize(width int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.width = width
}

func (r *renderer) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// model is the one Bubble Tea model.
type model struct {
	spinner  spinner.Model
	snapshot func() []*ui.Step
	resized  func(width int)
	ended    func() bool
	styles   styles
	steps    []*ui.Step
	now      time.Time
	width    int
	verbose  bool
}

func (m model) Init() tea.Cmd { return m.spinner.Tick }

func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width = msg.Width
		m.resized(msg.Width)
	case spinner.TickMsg:
		m.steps, m.now = m.snapshot(), time.Now()
		var cmd tea.Cmd
		m.spinner, cmd = m.spinner.Update(msg)
		return m, cmd
	}
	return m, nil
}

// View draws a frame, and nothing once all is over: Close prints what stays. The last newline would only cost a
// line of the screen.
func (m model) View() string {
	if m.ended() {
		return ""
	}
	frame := draw(m.steps, view{now: m.now, width: m.width, spinner: m.spinner.View(), styles: m.styles, verbose: m.verbose})
	if n := len(frame); n > 0 {
		return frame[:n-1]
	}
	return ""
}
