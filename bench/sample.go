package main

import (
	"slices"
)

// sample is the values of one figure, in the order they were measured.
type sample []float64

// summary is what is shown of a sample.
type summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// summary of a sample, which must not be empty. The median of an even number of values is the mean of the two in
// the middle.
func (s sample) summary() summary {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return summary{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}
