package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-cluster/skiff/internal/event"
	"github.com/skiff-cluster/skiff/internal/nodeapi"
)

// mark is one thing that happened during a creation.
type mark struct {
	at   time.Time
	who  string // the program that tells
	what string
	// began is when what now ended began, if that is known.
	began time.Time
	// node and machine are the CPU seconds that each had worked at this moment.
	node, machine float64
}

// traceCreates shows where the time of a creation goes: the medians of several.
func (b *bench) traceCreates(ctx context.Context) error {
	p := b.products[0]
	b.say("one create and delete to warm up")
	if err := b.with(ctx, p, func(*cluster) error { return nil }); err != nil {
		return err
	}
	var runs [][]mark
	for range b.iterations {
		marks, err := b.traceCreate(ctx, p)
		if err != nil {
			return err
		}
		b.say("  %.2f s", marks[len(marks)-1].at.Sub(marks[0].at).Seconds())
		runs = append(runs, marks)
	}
	m, err := b.engine.describe()
	if err != nil {
		return err
	}
	d := b.d.summary()
	legend := []string{
		"Machine: " + m.String(),
		"Measured: " + p.Name + " " + p.Version + "; " + time.Now().UTC().Format(time.DateOnly),
		fmt.Sprintf("d = %.3f s (%.3f to %.3f); %d creations, every time is a median", d.Median, d.Min, d.Max, len(runs)),
	}
	rows := timeline(runs).rows()
	fmt.Printf("%s\n\n%s\n", strings.Join(legend, "\n"), plainTable(rows))
	if !b.update {
		return nil
	}
	return updateDocument(filepath.Join(b.docs, "benchmarks.md"), "trace", bullets(legend)+"\n"+markdownTable(rows))
}

// traceCreate creates and deletes a cluster, and returns what happened in the order of time.
func (b *bench) traceCreate(ctx context.Context, p *product) ([]mark, error) {
	c := b.newCluster(p)
	machine, node := &curve{read: machineBusy}, &curve{}
	machine.add() // before the first step
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var watches errgroup.Group
	watches.Go(func() error { machine.watch(watching); return nil })
	watches.Go(func() (err error) {
		if node.read, err = b.engine.awaitNodeCPU(watching, c.container()); err == nil {
			node.watch(watching)
		}
		return err
	})
	r, err := b.create(ctx, c, "--verbose", "--output", "json")
	stop()
	watched := watches.Wait()
	if err != nil {
		return nil, err
	}
	if watched != nil {
		return nil, fmt.Errorf("watch the node's CPU time: %w", watched)
	}
	marks, err := b.collectMarks(ctx, c, r)
	if err != nil {
		return nil, err
	}
	for i := range marks {
		marks[i].machine, marks[i].node = machine.at(marks[i].at), node.at(marks[i].at)
	}
	_, err = b.delete(ctx, c)
	return marks, err
}

// collectMarks gathers what the command, the engine and the node tell of a creation.
func (b *bench) collectMarks(ctx context.Context, c *cluster, r ran) ([]mark, error) {
	// Names differ from run to run, and say nothing.
	rename := strings.NewReplacer(c.container(), "", "skiff-"+c.name, "", c.name, "", c.nodeImage, "").Replace
	marks := []mark{{at: r.started, who: "skiff", what: "process starts"}, {at: r.ended, who: "skiff", what: "process has ended"}}
	marks = append(marks, commandMarks(r.stderr, rename)...)
	docker, err := b.containerMarks(ctx, c)
	if err != nil {
		return nil, err
	}
	lines, err := b.nodeLines(ctx, c)
	if err != nil {
		return nil, err
	}
	marks = append(append(marks, docker...), nodeMarks(lines, rename)...)
	// What a node goes on to tell after the command has returned is no part of the creation.
	return sortMarks(marks, r.ended), nil
}

// commandMarks are the events that the command writes as JSON, one per line. Other lines are for people.
func commandMarks(lines []byte, rename func(string) string) []mark {
	var marks []mark
	began := map[string]time.Time{}
	for line := range bytes.Lines(lines) {
		var e event.Event
		if json.Unmarshal(line, &e) != nil || e.Time.IsZero() || e.State == event.Progress {
			continue
		}
		// Of the node's components and conditions it only repeats what the node says itself.
		if e.Kind == event.KindComponent || e.Kind == event.KindCheck && e.Subject != apiCheck {
			continue
		}
		m := mark{at: e.Time, who: "skiff", what: words(string(e.Kind), rename(e.Subject), string(e.State))}
		if e.State == event.Started {
			began[e.ID] = e.Time
		} else {
			m.began = began[e.ID]
		}
		marks = append(marks, m)
	}
	return marks
}

// apiCheck is the subject of the one clause of the contract that the command checks itself.
const apiCheck = "api"

// nodeMarks are the events that PID 1 of the node writes.
func nodeMarks(lines []byte, rename func(string) string) []mark {
	var marks []mark
	began, state := map[string]time.Time{}, map[string]nodeapi.State{}
	for line := range bytes.Lines(lines) {
		var e nodeapi.Event
		if json.Unmarshal(line, &e) != nil || e.Time.IsZero() {
			continue
		}
		m := mark{at: e.Time, who: "node", what: words(string(e.Kind), rename(e.Message))}
		switch {
		case e.Component != nil:
			same := state[e.Component.Name] == e.Component.State
			state[e.Component.Name] = e.Component.State
			// What it waits for has steps of its own, and news of a state that it is in already is none.
			if same || e.Component.State == nodeapi.StateWaiting {
				continue
			}
			m.what = words(e.Component.Name, string(e.Component.State))
			if e.Component.State == nodeapi.StateStarting {
				began[e.Component.Name] = e.Time
			} else {
				m.began = began[e.Component.Name]
			}
		case e.Condition != nil && !e.Condition.Met:
			continue // why it is not met yet is no step
		case e.Condition != nil:
			m.what = words("condition", e.Condition.Name, "met")
		}
		marks = append(marks, m)
	}
	return marks
}

func words(parts ...string) string {
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// containerMarks are the times that the engine keeps.
func (b *bench) containerMarks(ctx context.Context, c *cluster) ([]mark, error) {
	info, err := b.engine.ContainerInspect(ctx, c.container())
	if err != nil {
		return nil, fmt.Errorf("inspect the node: %w", err)
	}
	var marks []mark
	for _, m := range []struct{ what, at string }{{"container created", info.Created}, {"container started", info.State.StartedAt}} {
		at, err := time.Parse(time.RFC3339Nano, m.at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.what, err)
		}
		marks = append(marks, mark{at: at, who: "docker", what: m.what})
	}
	return marks, nil
}

// nodeLines is what the node has written to its standard output.
func (b *bench) nodeLines(ctx context.Context, c *cluster) ([]byte, error) {
	logs, err := b.engine.ContainerLogs(ctx, c.container(), container.LogsOptions{ShowStdout: true})
	if err != nil {
		return nil, fmt.Errorf("read the node's output: %w", err)
	}
	defer logs.Close()
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, logs); err != nil {
		return nil, fmt.Errorf("read the node's output: %w", err)
	}
	return stdout.Bytes(), nil
}
