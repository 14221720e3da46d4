package main

import (
	"context"
	"slices"
	"time"
)

// busyStep is the pause between two readings of the machine's CPU time, which the kernel counts in steps of 10 ms.
const busyStep = 20 * time.Millisecond

// busyCurve is the machine's CPU time over a while.
type busyCurve struct {
	times  []time.Time
	values []float64
}

// watchBusy reads the machine's CPU time until stop is called, which may be done twice. The curve may be used
// afterwards.
func watchBusy(ctx context.Context) (curve *busyCurve, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	curve, done := &busyCurve{}, make(chan struct{})
	curve.read()
	go func() {
		defer close(done)
		tick := time.NewTicker(busyStep)
		defer tick.Stop()
		for ctx.Err() == nil {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
			curve.read()
		}
	}()
	return curve, func() { cancel(); <-done }
}

func (c *busyCurve) read() {
	// A reading that fails leaves a gap, over which at interpolates.
	if v, err := machineBusy(); err == nil {
		c.times, c.values = append(c.times, time.Now()), append(c.values, v)
	}
}

// at returns the CPU time at a moment, between two readings in proportion.
func (c *busyCurve) at(t time.Time) float64 {
	i, _ := slices.BinarySearchFunc(c.times, t, time.Time.Compare)
	switch {
	case len(c.times) == 0:
		return 0
	case i == 0:
		return c.values[0]
	case i == len(c.times):
		return c.values[i-1]
	}
	part := float64(t.Sub(c.times[i-1])) / float64(c.times[i].Sub(c.times[i-1]))
	return c.values[i-1] + part*(c.values[i]-c.values[i-1])
}
