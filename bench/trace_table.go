package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// sortMarks puts marks in the order of time and drops those after the end.
func sortMarks(marks []mark, end time.Time) []mark {
	marks = slices.DeleteFunc(marks, func(m mark) bool { return m.at.After(end) })
	slices.SortStableFunc(marks, func(a, b mark) int { return a.at.Compare(b.at) })
	return marks
}

// step is a mark over all runs: seconds since the start of the command.
type step struct {
	who, what string
	at        sample
	took      sample // since what it ends began
	// node and machine are the CPU seconds of each since the start of the command.
	node, machine sample
}

// steps is a creation as a line of steps.
type steps struct {
	list []step
	runs int
}

// timeline lays runs over each other. Each run begins with its first mark; a mark that comes twice in one run is two
// steps.
func timeline(runs [][]mark) steps {
	type id struct {
		who, what string
		nth       int
	}
	found := map[id]*step{}
	for _, marks := range runs {
		seen := map[id]int{}
		for _, m := range marks {
			name := id{who: m.who, what: m.what}
			seen[name]++
			name.nth = seen[name]
			s := found[name]
			if s == nil {
				s = &step{who: m.who, what: m.what}
				if name.nth > 1 {
					s.what += fmt.Sprintf(" (%d)", name.nth)
				}
				found[name] = s
			}
			s.at = append(s.at, m.at.Sub(marks[0].at).Seconds())
			s.node = append(s.node, m.node-marks[0].node)
			s.machine = append(s.machine, m.machine-marks[0].machine)
			if !m.began.IsZero() {
				s.took = append(s.took, m.at.Sub(m.began).Seconds())
			}
		}
	}
	t := steps{runs: len(runs)}
	for _, s := range found {
		t.list = append(t.list, *s)
	}
	slices.SortFunc(t.list, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.at.summary().Median, b.at.summary().Median), cmp.Compare(a.who, b.who), cmp.Compare(a.what, b.what))
	})
	return t
}

// rows are the lines of the table, the heading first. A step that not every run has is no point to count from.
func (t steps) rows() [][]string {
	rows := [][]string{{"at (s)", "min", "max", "+", "node CPU", "all CPU", "who", "step", "took (s)"}}
	var last, lastNode, lastMachine float64
	for _, s := range t.list {
		at, took, what := s.at.summary(), "", s.what
		since := []string{"", "", ""}
		if len(s.took) > 0 {
			took = fmt.Sprintf("%.3f", s.took.summary().Median)
		}
		if len(s.at) < t.runs {
			what += fmt.Sprintf(" [in %d of %d]", len(s.at), t.runs)
		} else {
			node, machine := s.node.summary().Median, s.machine.summary().Median
			since = []string{
				fmt.Sprintf("%.3f", at.Median-last), fmt.Sprintf("%.3f", max(node-lastNode, 0)), fmt.Sprintf("%.2f", max(machine-lastMachine, 0)),
			}
			last, lastNode, lastMachine = at.Median, max(node, lastNode), max(machine, lastMachine)
		}
		row := []string{fmt.Sprintf("%.3f", at.Median), fmt.Sprintf("%.3f", at.Min), fmt.Sprintf("%.3f", at.Max)}
		rows = append(rows, append(append(row, since...), s.who, what, took))
	}
	return rows
}
