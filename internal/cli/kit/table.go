package kit

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Table prints aligned columns.
type Table struct{ w *tabwriter.Writer }

// NewTable returns a table with a header line.
func NewTable(out io.Writer, header ...string) *Table {
	t := &Table{tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)}
	t.Row(header...)
	return t
}

// Row adds a line; an empty cell is shown as "-", so that columns can be counted by scripts.
func (t *Table) Row(cells ...string) {
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// Flush writes the table.
func (t *Table) Flush() error { return t.w.Flush() }

// Age shortens a duration as kubectl does: "5s", "12m", "3h", "9d".
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
