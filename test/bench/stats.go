//go:build linux

package main

import (
	"math"
	"slices"
)

// spread sums up one value of several rounds.
type spread struct {
	Median, Q1, Q3 float64
}

func newSpread(values []float64) spread {
	return spread{Median: quantile(values, 0.5), Q1: quantile(values, 0.25), Q3: quantile(values, 0.75)}
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile interpolates between neighbours, as R's type 7 does. It is NaN without values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}
