package supervise

import "time"

// Defaults of [Restart]. The first pause is short, because most often what failed was killed and will
// simply run again; the longest is what a person still waits for.
const (
	defaultInitial    = 200 * time.Millisecond
	defaultMax        = 10 * time.Second
	defaultResetAfter = time.Minute
)

// Restart says what happens when a component ends without being asked to: it is started again after a pause
// that doubles with each failure. The zero value never gives up.
type Restart struct {
	// Initial is the pause after the first failure, 200 ms if zero; Max the longest, 10 s if zero.
	Initial, Max time.Duration
	// ResetAfter is how long a component must have been ready for its failures so far to be forgotten, a
	// minute if zero.
	ResetAfter time.Duration
	// GiveUpAfter is the number of consecutive failures after which it is not started again: 0 is never, 1
	// means that it is started once.
	GiveUpAfter int
}

// givesUp is true if a component is not started again after that many consecutive failures.
func (r Restart) givesUp(failures int) bool { return r.GiveUpAfter > 0 && failures >= r.GiveUpAfter }

// forgets is true if a run that was ready for that long makes earlier failures irrelevant.
func (r Restart) forgets(ready time.Duration) bool {
	return ready >= orDefault(r.ResetAfter, defaultResetAfter)
}

// pause is how long to wait after that many consecutive failures, one or more.
func (r Restart) pause(failures int) time.Duration {
	limit := orDefault(r.Max, defaultMax)
	pause := min(orDefault(r.Initial, defaultInitial), limit)
	for i := 1; i < failures && pause < limit; i++ {
		pause = min(2*pause, limit)
	}
	return pause
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
