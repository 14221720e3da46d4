package main

import (
	"context"
	"slices"
	"time"
)

// curveStep is the pause between two readings.
const curveStep = 10 * time.Millisecond

// curve is CPU time over a while.
type curve struct {
	read   func() (float64, error)
	times  []time.Time
	values []float64
}

// watch reads until ctx ends.
func (c *curve) watch(ctx context.Context) {
	tick := time.NewTicker(curveStep)
	defer tick.Stop()
	for c.add(); ctx.Err() == nil; c.add() {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (c *curve) add() {
	// A reading that fails leaves a gap, over which at draws a straight line.
	if v, err := c.read(); err == nil {
		c.times, c.values = append(c.times, time.Now()), append(c.values, v)
	}
}

// at returns the CPU time at a moment, between two readings in proportion. Before the first reading it is 0: there
// was nothing yet to be read.
func (c *curve) at(t time.Time) float64 {
	i, _ := slices.BinarySearchFunc(c.times, t, time.Time.Compare)
	switch {
	case i == 0:
		return 0
	case i == len(c.times):
		return c.values[i-1]
	}
	part := float64(t.Sub(c.times[i-1])) / float64(c.times[i].Sub(c.times[i-1]))
	return c.values[i-1] + part*(c.values[i]-c.values[i-1])
}
