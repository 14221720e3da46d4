package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"
)

// plainTable aligns rows for a terminal.
func plainTable(rows [][]string) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// markdownTable writes rows as a table in Markdown, the heading first. Columns of numbers are aligned to the right.
func markdownTable(rows [][]string) string {
	var out strings.Builder
	line := func(cells []string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	line(rows[0])
	rule := make([]string, len(rows[0]))
	for i := range rule {
		rule[i] = "---"
		if len(rows) > 1 && startsWithDigit(rows[1][i]) {
			rule[i] = "---:"
		}
	}
	// No spaces, so that the colons stand at the bars.
	fmt.Fprintf(&out, "|%s|\n", strings.Join(rule, "|"))
	for _, row := range rows[1:] {
		line(row)
	}
	return out.String()
}

func startsWithDigit(s string) bool { return s != "" && unicode.IsDigit(rune(s[0])) }

// bullets writes lines as a list in Markdown.
func bullets(lines []string) string { return "- " + strings.Join(lines, "\n- ") + "\n" }

// updateDocument replaces the text between the markers of a section in a file.
func updateDocument(path, section, text string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	updated, err := replaceSection(string(data), section, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(updated), 0o644)
}

func replaceSection(document, section, text string) (string, error) {
	begin, end := "<!-- begin "+section+" -->\n", "<!-- end "+section+" -->"
	head, rest, ok := strings.Cut(document, begin)
	if !ok {
		return "", fmt.Errorf("the line %q is missing", strings.TrimSpace(begin))
	}
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("the line %q is missing", end)
	}
	return head + begin + strings.TrimRight(text, "\n") + "\n" + end + tail, nil
}
