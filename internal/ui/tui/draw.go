package tui

import (
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/ui"
)

// Symbols of the states.
const (
	doneSymbol    = "✓"
	failedSymbol  = "✗"
	skippedSymbol = "·"
	undoneSymbol  = "↶"
	stillSymbol   = "○" // not over when everything ended
)

// measure is the widest a line gets: times far away from their sentences are hard to read.
const measure = 88

type styles struct{ good, bad, dim, active lipgloss.Style }

func newStyles(out io.Writer, colour bool) styles {
	r := lipgloss.NewRenderer(out)
	if colour {
		// The sixteen colours that every terminal lets its user choose.
		r.SetColorProfile(termenv.ANSI)
	} else {
		r.SetColorProfile(termenv.Ascii)
	}
	return styles{
		good:   r.NewStyle().Foreground(lipgloss.Color("2")),
		bad:    r.NewStyle().Foreground(lipgloss.Color("1")),
		dim:    r.NewStyle().Faint(true),
		active: r.NewStyle().Foreground(lipgloss.Color("6")),
	}
}

// view is how steps are drawn.
type view struct {
	now     time.Time
	width   int
	spinner string
	styles  styles
	verbose bool // keep the parts of steps that went well
}

// draw returns the steps as lines, each ended by a newline and none wider than the view.
func draw(steps []*ui.Step, v view) string {
	v.width = min(max(v.width, 20), measure)
	var b strings.Builder
	for _, s := range steps {
		v.step(&b, s)
	}
	return b.String()
}

// step draws a step and, while it matters, its parts: as long as it runs, and when it failed; always if verbose.
func (v view) step(b *strings.Builder, s *ui.Step) {
	text := ui.Sentence(s.Event)
	note := s.Detail
	if amount := ui.Amount(s.Event); amount != "" && !s.Over() {
		note = amount
	}
	if s.State == event.Done || s.State == event.Undone {
		note = ""
	}
	v.line(b, "", v.symbol(s), text, note, v.elapsed(s))
	if s.State == event.Failed && s.Err != nil {
		v.reason(b, s.Err)
	}
	if len(s.Children) > 0 && (!s.Over() || s.State == event.Failed || v.verbose) {
		if s.Over() { // its parts stopped with it, whatever they were doing
			v.spinner, v.now = stillSymbol, s.Ended
		}
		v.parts(b, s.Children)
	}
}

// elapsed says how long a step took. What was rolled back took the time until something else failed, which
// tells nothing.
func (v view) elapsed(s *ui.Step) string {
	if s.State == event.Undone {
		return "    "
	}
	return ui.Seconds(s.Elapsed(v.now))
}

// line draws "  ✓ text note      1.2s". The note gives way first, then the text.
func (v view) line(b *strings.Builder, indent, symbol, text, note, right string) {
	room := v.width - lipgloss.Width(indent) - 2 - len(right) - 1
	text = ansi.Truncate(text, room, "…")
	if rest := room - lipgloss.Width(text) - 2; note != "" && rest >= 8 {
		note = "  " + ansi.Truncate(note, rest, "…")
	} else {
		note = ""
	}
	pad := max(room-lipgloss.Width(text)-lipgloss.Width(note), 0) + 1
	b.WriteString(indent + symbol + " " + text + v.styles.dim.Render(note) +
		strings.Repeat(" ", pad) + v.styles.dim.Render(right) + "\n")
}

// reason draws an error under its step, wrapped.
func (v view) reason(b *strings.Builder, err error) {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, l := range strings.Split(ansi.Wrap(text, v.width-4, ""), "\n") {
		b.WriteString("    " + v.styles.bad.Render(strings.TrimSpace(l)) + "\n")
	}
}

// parts draws the parts of a step: names side by side, because they come up side by side, and a line of its
// own for each that has something to say.
func (v view) parts(b *strings.Builder, parts []*ui.Step) {
	const indent = "    "
	var row strings.Builder
	used := 0
	flush := func() {
		if used > 0 {
			b.WriteString(indent + row.String() + "\n")
			row.Reset()
			used = 0
		}
	}
	for _, p := range parts {
		if p.Kind != event.KindComponent || p.State == event.Failed {
			continue
		}
		name := ansi.Truncate(p.Subject, v.width-len(indent)-2, "…")
		w := lipgloss.Width(name) + 2
		if used > 0 && used+2+w > v.width-len(indent) {
			flush()
		}
		if used > 0 {
			row.WriteString("  ")
			used += 2
		}
		if !p.Over() {
			name = v.styles.dim.Render(name)
		}
		row.WriteString(v.symbol(p) + " " + name)
		used += w
	}
	flush()
	for _, p := range parts {
		if p.Kind == event.KindComponent && p.State != event.Failed {
			continue
		}
		note := p.Detail
		if p.Over() && p.State != event.Failed && p.State != event.Skipped {
			note = ""
		}
		v.line(b, indent[:2], v.symbol(p), ui.Sentence(p.Event), note, v.elapsed(p))
		if p.State == event.Failed && p.Err != nil {
			v.reason(b, p.Err)
		}
	}
}

func (v view) symbol(s *ui.Step) string {
	switch s.State {
	case event.Done:
		return v.styles.good.Render(doneSymbol)
	case event.Failed:
		return v.styles.bad.Render(failedSymbol)
	case event.Skipped:
		return v.styles.dim.Render(skippedSymbol)
	case event.Undone:
		return v.styles.dim.Render(undoneSymbol)
	}
	return v.styles.active.Render(v.spinner)
}
