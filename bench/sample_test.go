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

func TestGoals(t *testing.T) {
	inD := figure{Unit: seconds, Goal: 12.5}
	if !inD.met(2.5, 0.2) || inD.met(2.6, 0.2) || !inD.met(4.9, 0.4) {
		t.Error("a goal in d moves with the machine")
	}
	fixed := figure{Unit: mebibytes, Goal: 230}
	if !fixed.met(230, 0.2) || fixed.met(231, 0.4) {
		t.Error("a goal for memory does not move with the machine")
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
