package main

import (
	"os"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	ours, peer := &product{Name: skiffName}, &product{Name: "kind"}
	f := figure{ID: "create", Title: "create", Unit: seconds, Must: 12.5, Goal: 7.5}
	r := report{Results: []result{
		resultOf(f, ours, sample{2, 3, 2.2}, 0.2),
		resultOf(f, peer, sample{28}, 0.2),
		resultOf(figure{ID: "memory", Title: "memory", Unit: mebibytes, Must: 230, Goal: 200}, ours, sample{230.4}, 0.2),
	}}
	want := `| id | figure | of | median | min | max | unit | in d | must | goal |  |
|---|---|---|---:|---:|---:|---|---:|---:|---:|---|
| create | create | skiff | 2.20 | 2.00 | 3.00 | s | 11.0 | 12.5 d | 7.5 d | met |
| create | create | kind | 28.00 | 28.00 | 28.00 | s | 140.0 |  |  |  |
| memory | memory | skiff | 230 | 230 | 230 | MiB |  | 230 | 200 | not met |
`
	if got := markdownTable(r.rows()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReplaceSection(t *testing.T) {
	const document = "# Title\n<!-- begin result -->\nold\n<!-- end result -->\nafter\n"
	got, err := replaceSection(document, "result", "new\n\n")
	if want := strings.Replace(document, "old", "new", 1); err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	again, err := replaceSection(got, "result", "old")
	if err != nil || again != document {
		t.Errorf("the second time: got %q, %v", again, err)
	}
	if _, err := replaceSection("# Title\n", "result", "new"); err == nil {
		t.Error("a document without the section was accepted")
	}
}

// The sections that are written must be in the document.
func TestDocumentHasTheSections(t *testing.T) {
	document, err := os.ReadFile("../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"result", "trace"} {
		if _, err := replaceSection(string(document), section, "new"); err != nil {
			t.Error(err)
		}
	}
}
