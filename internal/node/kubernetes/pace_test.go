package kubernetes

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
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
			did = append(did, map[int]string{workGCPercent: "grow", restGCPercent: "save"}[percent])
			return 0
		},
		tidy: func() { did = append(did, "tidy") },
		setSlack: func(d time.Duration) error {
			did = append(did, d.String())
			return nil
		},
		seen: at(0, 500),
	}
	expect := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(did, want) {
			t.Errorf("%s: %q, want %q", what, did, want)
		}
		did = nil
	}
	rest := []string{"save", "tidy", restTimerSlack.String()}
	work := []string{"grow", workTimerSlack.String()}

	p.look(at(10, 600))
	expect("the start goes on")
	p.look(at(20, 606))
	expect("the start is over", rest...)
	p.look(at(30, 612))
	expect("it rests")
	p.collected(at(50, 624))
	expect("garbage of an idle node")
	p.collected(at(50, 625))
	expect("a collection that was forced")
	p.collected(at(51, 650))
	expect("much at once", work...)
	p.look(at(60, 700))
	expect("work goes on")
	p.look(at(70, 701))
	expect("work is over", rest...)
	if !p.podMoved() {
		t.Error("a pod's change does not end the rest")
	}
	expect("a pod moved", work...)
	if p.podMoved() {
		t.Error("the next change ends it again")
	}
	p.look(at(80, 702))
	expect("the pod moved lately")
	p.look(at(90, 703))
	expect("little was allocated, nothing to tidy", "save", restTimerSlack.String())

	p.setSlack = func(time.Duration) error { return errors.New("not here") }
	p.podMoved()
	expect("without timer slack", "grow")
}

func TestCollections(t *testing.T) {
	collected := collections(t.Context())
	for range 3 {
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
	if now.bytes-before.bytes < 2*leastAllocated {
		t.Errorf("%d bytes were allocated, of %d", now.bytes-before.bytes, len(hold))
	}
	if !now.works(before) {
		t.Error("that is not work")
	}
}

// TestSetTimerSlack sets that of all threads, and sets it back.
func TestSetTimerSlack(t *testing.T) {
	err := setTimerSlack(restTimerSlack)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("with cgo there is no system call for all threads") // the node is built without
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := setTimerSlack(workTimerSlack); err != nil {
			t.Error(err)
		}
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %q: %v", threads, err)
	}
	for _, thread := range threads {
		id := filepath.Base(thread)
		slack, err := os.ReadFile(filepath.Join("/proc", id, "timerslack_ns"))
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
			continue // another thread's needs CAP_SYS_NICE, and a thread may have ended
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(slack)); got != "50000000" {
			t.Errorf("thread %s has a slack of %s ns", id, got)
		}
	}
}
