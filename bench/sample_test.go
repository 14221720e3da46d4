package main

import "testing"

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		of   sample
		want summary
	}{
		{sample{7}, summary{7, 7, 7}},
		{sample{3, 1, 2}, summary{2, 1, 3}},
		{sample{4, 1, 3, 2}, summary{2.5, 1, 4}},
	} {
		if got := c.of.summary(); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.of, got, c.want)
		}
	}
	kept := sample{3, 1, 2}
	if kept.summary(); kept[0] != 3 {
		t.Error("a sample keeps the order in which it was measured")
	}
}

// TestVerdict: times move with the machine, memory does not, and of a ratio more is better.
func TestVerdict(t *testing.T) {
	inD := figure{Unit: seconds, Must: 12.5, Goal: 7.5}
	fixed := figure{Unit: mebibytes, Must: 230}
	for _, v := range []struct {
		figure
		value, d float64
		want     string
	}{
		{inD, 1.5, 0.2, "goal met"}, {inD, 1.6, 0.2, "met"}, {inD, 2.5, 0.2, "met"}, {inD, 2.6, 0.2, "not met"}, {inD, 2.6, 0.4, "goal met"},
		{fixed, 230, 0.2, "met"}, {fixed, 231, 0.4, "not met"},
		{figure{Unit: ratio, Must: 0.9}, 0.95, 0.2, "met"}, {figure{Unit: ratio, Must: 0.9}, 0.89, 0.2, "not met"},
		{figure{Unit: seconds, Goal: 4}, 0.9, 0.2, "goal not met"},
		{figure{Unit: seconds}, 0.9, 0.2, ""},
	} {
		if got := v.verdict(v.value, v.d); got != v.want {
			t.Errorf("%+v: %q", v, got)
		}
	}
}

// Every figure belongs to one part, or it would never be measured.
func TestPartsMeasureEveryFigure(t *testing.T) {
	in := map[string]int{}
	for _, p := range parts {
		for _, f := range p.figures {
			in[f]++
		}
	}
	for _, f := range figures {
		if in[f.ID] != 1 {
			t.Errorf("figure %s is in %d parts", f.ID, in[f.ID])
		}
		delete(in, f.ID)
	}
	for id := range in {
		t.Errorf("figure %s is measured and not listed", id)
	}
}
