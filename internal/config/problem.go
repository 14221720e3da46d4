package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/skiff-cluster/skiff/internal/fault"
)

// fieldPath is where a field is in a file, as "nodes[0].mounts[1].source"; "" is the file as a whole.
type fieldPath string

func (p fieldPath) field(name string) fieldPath {
	if p == "" {
		return fieldPath(name)
	}
	return p + "." + fieldPath(name)
}

func (p fieldPath) index(i int) fieldPath { return fieldPath(fmt.Sprintf("%s[%d]", p, i)) }

// key is an entry of a mapping whose keys are the user's.
func (p fieldPath) key(k string) fieldPath {
	if strings.Trim(k, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || k == "" {
		return fieldPath(fmt.Sprintf("%s[%s]", p, strconv.Quote(k)))
	}
	return p.field(k)
}

// place is where something stands in a file, both counted from 1; 0 is unknown.
type place struct {
	path         fieldPath
	line, column int
	// text is the line in which the text of a block ("|") starts.
	text int
}

func placeOf(p fieldPath, n *yaml.Node) place {
	at := place{path: p, line: n.Line, column: n.Column, text: n.Line}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		at.text++
	}
	return at
}

// inText is a place in the text that a block holds.
func (p place) inText(line, column int) place {
	if p.text == p.line { // quoted: columns have no meaning, and lines hardly
		return p
	}
	return place{path: p.path, line: p.text + line - 1, column: column}
}

// places are the fields that a file has. The path of a place is what the file itself calls the field, which for a
// file of kind is not its path in [Cluster].
type places map[fieldPath]place

// of returns the place of a field, or of the innermost one around it if the field itself is not in the file.
func (s places) of(p fieldPath) place {
	for inner := p; ; {
		if at, ok := s[inner]; ok {
			if inner != p && at.path == inner {
				at.path = p // the file has no name of its own for it
			}
			return at
		}
		if inner == "" {
			return place{path: p}
		}
		inner = inner[:max(0, strings.LastIndexAny(string(inner), ".["))]
	}
}

// problem is a mistake in a file.
type problem struct {
	place
	text string
}

// problems are collected, so that a user need not find them one by one.
type problems []problem

func (ps *problems) add(at place, format string, args ...any) {
	*ps = append(*ps, problem{at, fmt.Sprintf(format, args...)})
}

// fault returns the problems of a file as one error, in the order of the file, or nil. hint says where its fields are
// described.
func (ps problems) fault(file, hint string) error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column), cmp.Compare(a.path, b.path), cmp.Compare(a.text, b.text))
	})
	var details []string
	for _, p := range ps {
		if d := p.in(file); !slices.Contains(details, d) {
			details = append(details, d)
		}
	}
	mistakes := "a mistake"
	if len(details) > 1 {
		mistakes = fmt.Sprintf("%d mistakes", len(details))
	}
	what := "the cluster file " + file
	if file == "" {
		what = "the description of the cluster"
	}
	return &fault.Error{
		Code: fault.Invalid, Summary: fmt.Sprintf("%s has %s", what, mistakes), Details: details,
		Hint: hint,
	}
}

// in is the problem as a line of text: file:line:column: field: what is wrong.
func (p problem) in(file string) string {
	if p.line > 0 {
		file += ":" + strconv.Itoa(p.line)
	}
	if p.column > 0 {
		file += ":" + strconv.Itoa(p.column)
	}
	var parts []string
	for _, part := range []string{file, string(p.path), p.text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}
