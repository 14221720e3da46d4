package supervise

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestLogRing(t *testing.T) {
	long := strings.Repeat("x", ringLineBytes)
	var many, last []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("line %d\n", i))
		if i >= 30 {
			last = append(last, fmt.Sprintf("line %d", i))
		}
	}
	for _, tc := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"a line", []string{"a\n"}, []string{"a"}},
		{"a line in pieces", []string{"a", "b", "c\nd"}, []string{"abc", "d"}},
		{"lines at once", []string{"a\n\nb\r\n"}, []string{"a", "", "b"}},
		{"the last of many", many, last},
		{"an open line is one of them", append(slices.Clone(many), "open"), append(slices.Clone(last[1:]), "open")},
		{"a line that just fits", []string{long + "\n"}, []string{long}},
		{"a long line", []string{long + "y\nz\n"}, []string{long + "…", "z"}},
		{"a long line in pieces", []string{long, "y", "y\n", "z\n"}, []string{long + "…", "z"}},
		{"a cut through a character", []string{long[1:] + "ä\n"}, []string{long[1:] + "…"}},
		{"no text", []string{"a\xffb\n"}, []string{"ab"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r LogRing
			for _, w := range tc.writes {
				if n, err := r.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("Write(%q) = %d, %v", w, n, err)
				}
			}
			if got := r.Lines(); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLogRingEndLine(t *testing.T) {
	var r LogRing
	r.endLine()
	fmt.Fprint(&r, "panic: no more")
	r.endLine()
	fmt.Fprint(&r, "started\n")
	if got, want := r.Lines(), []string{"panic: no more", "started"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLogRingConcurrently(t *testing.T) {
	var r LogRing
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 100 {
				fmt.Fprint(&r, "one line\n")
				r.Lines()
			}
		})
	}
	writers.Wait()
	if got, want := r.Lines(), slices.Repeat([]string{"one line"}, ringLines); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
