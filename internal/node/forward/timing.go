package forward

import "time"

// Timing is how often targets are looked at, and how patient the Forwarder is. Zero means the default.
type Timing struct {
	// Period is the time between two checks of a healthy target that has connections: 1 s.
	Period time.Duration
	// Idle is the same for one that has none, and the longest time between checks of one that is down: 5 s.
	Idle time.Duration
	// Quick is the time from a failure to the next check, and the shortest between any two: 250 ms. It doubles with
	// every further failure.
	Quick time.Duration
	// Check is how long a check may take: 2 s.
	Check time.Duration
	// Dial is how long a dial may take, the resolution of the name included: 2 s.
	Dial time.Duration
	// Resolve is how long a name may take to resolve if an address is known: 500 ms.
	Resolve time.Duration
	// Drain is how long connections to a removed target may last: 30 s.
	Drain time.Duration
	// Grace is how long connections may last when Serve is told to end: 1 s. It is short because the connections that
	// Kubernetes' clients keep, for watches, never end by themselves, and whoever stops the program waits for it.
	Grace time.Duration
}

func (t Timing) orDefault() Timing {
	for _, field := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&t.Period, time.Second},
		{&t.Idle, 5 * time.Second},
		{&t.Quick, 250 * time.Millisecond},
		{&t.Check, 2 * time.Second},
		{&t.Dial, 2 * time.Second},
		{&t.Resolve, 500 * time.Millisecond},
		{&t.Drain, 30 * time.Second},
		{&t.Grace, time.Second},
	} {
		if *field.value <= 0 {
			*field.value = field.def
		}
	}
	return t
}

// afterFailures is the time to the next check of a target that is down, after that many failures in a row, one or more.
func (t Timing) afterFailures(n int) time.Duration {
	pause := t.Quick
	for i := 1; i < n && pause < t.Idle; i++ {
		pause *= 2
	}
	return min(pause, t.Idle)
}
