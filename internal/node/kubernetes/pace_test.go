package kubernetes

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace tells a pace what happens, and looks what it sets.
func TestPace(t *testing.T) {
	const mb = 1 << 20
	start := time.Now()
	at := func(seconds, megabytes int) allocation {
		return allocation{start.Add(time.Duration(seconds) * time.Second), uint64(megabytes) * mb}
	}
	var did []string
	p := &pace{
		setGCPercent: func(percent int) int {
			did = append(did, map[int]string{workGCPercent: "work", restGCPercent: "rest"}[percent])
			return 0
		},
		tidy:   func() { did = append(did, "tidy") },
		looked: at(0, 500), collectedAt: at(0, 500),
	}
	for _, step := range []struct {
		what  string
		after func()
		want  []string
	}{
		{"the start goes on", func() { p.look(at(10, 600)) }, nil},
		{"the start is over", func() { p.look(at(20, 606)) }, []string{"rest", "tidy"}},
		{"it rests", func() { p.look(at(30, 612)) }, nil},
		{"the start's garbage", func() { p.collected(at(31, 615)) }, nil},
		{"garbage of an idle node", func() { p.collected(at(61, 632)) }, nil},
		{"a collection that was forced", func() { p.collected(at(61, 633)) }, nil},
		{"a look at an idle node", func() { p.look(at(61, 633)) }, nil},
		{"much at once", func() { p.collected(at(62, 650)) }, []string{"work"}},
		{"a collection just before a look", func() { p.collected(at(71, 690)) }, nil},
		{"has the look see no less", func() { p.look(at(72, 692)) }, nil},
		{"less than before, too much for a rest", func() { p.look(at(82, 712)) }, nil},
		{"work is over", func() { p.look(at(92, 713)) }, []string{"rest", "tidy"}},
		{"more than before, too little for work", func() { p.look(at(102, 733)) }, nil},
		{"much without a collection", func() { p.look(at(112, 783)) }, []string{"work"}},
	} {
		did = nil
		step.after()
		if !slices.Equal(did, step.want) {
			t.Errorf("%s: %q, want %q", step.what, did, step.want)
		}
	}
}

func TestCollections(t *testing.T) {
	collected := collections(t.Context())
	for range 100 {
		runtime.GC()
		select {
		case <-collected:
		case <-time.After(time.Minute):
			t.Fatal("nobody told of a collection")
		}
	}
}

func TestMeasure(t *testing.T) {
	before := measure()
	hold := make([]byte, 2*leastAllocated)
	now := measure()
	runtime.KeepAlive(hold)
	if now.bytes-before.bytes < uint64(len(hold)) {
		t.Errorf("%d bytes were allocated, of %d", now.bytes-before.bytes, len(hold))
	}
}

// TestKeepPace rests at the first look that finds no work, works from the collection on that shows some, and does not
// look again until an interval after that.
func TestKeepPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		bytes := uint64(0)
		var did []string
		tell := func(what string) { did = append(did, time.Since(start).String()+" "+what) }
		p := &pace{
			setGCPercent: func(percent int) int {
				tell(map[int]string{workGCPercent: "work", restGCPercent: "rest"}[percent])
				return 0
			},
			tidy:    func() { tell("tidy") },
			measure: func() allocation { return allocation{time.Now(), bytes} },
		}
		collections := make(chan struct{})
		go p.keep(ctx, collections)
		time.Sleep(lookInterval + 4*time.Second)
		bytes += 100 << 20 // in four seconds
		collections <- struct{}{}
		time.Sleep(2*lookInterval + time.Second)
		cancel()
		synctest.Wait()
		if want := []string{"10s rest", "14s work", "24s rest", "24s tidy"}; !slices.Equal(did, want) {
			t.Errorf("did %q, want %q", did, want)
		}
	})
}

// TestLimitMemory leaves pods their part of a node with a size, and limits nothing on one that has the host's.
func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	limitMemory(0)
	if now := debug.SetMemoryLimit(-1); now != before {
		t.Errorf("a node without a size has a limit of %d bytes", now)
	}
	limitMemory(1000 << 20)
	if now := debug.SetMemoryLimit(-1); now != 600<<20 {
		t.Errorf("a node of 1000 MiB has a limit of %d MiB", now>>20)
	}
}
