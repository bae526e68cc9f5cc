package automaton

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkBuild reports what the mix costs by the number of globs.
func BenchmarkBuild(b *testing.B) {
	for _, count := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			patterns := mixed(b, count)
			b.ReportAllocs()
			var automata []Automaton
			for b.Loop() {
				automata = build(b, patterns)
			}
			cells := 0
			for i := range automata {
				cells += len(automata[i].Cells)
			}
			b.ReportMetric(float64(len(automata)), "automata")
			b.ReportMetric(float64(cells*cellSize), "table-bytes")
		})
	}
}

// BenchmarkMatch looks at paths of 80 bytes: one that a rule names, so that it is walked to its end, and one that no rule
// is about.
func BenchmarkMatch(b *testing.B) {
	const (
		named = "/var/lib/registry/blobs/sha256/4b/4bca3b1f0f0e9f5e6f0f5a1c8e2d7b6a/data.tar.zst."
		other = "/usr/share/zoneinfo/posix/America/Argentina/ComodRivadavia/and/on/to/80/bytes.ab"
	)
	for _, count := range []int{10, 100, 1000, 10_000} {
		patterns := append(mixed(b, count-1), Pattern{Glob: parse(b, named), Value: uint32(count)})
		automata := build(b, patterns)
		if MatchAll(automata, named) == None || MatchAll(automata, other) != None || len(other) != 80 || len(named) != 80 {
			b.Fatalf("not the paths that were meant: %d %d", len(named), len(other))
		}
		for _, path := range []string{named, other} {
			name := map[string]string{named: "named", other: "other"}[path]
			b.Run(fmt.Sprintf("%s/%d", name, count), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					MatchAll(automata, path)
				}
				b.ReportMetric(least(func() { MatchAll(automata, path) }), "best-ns/op")
			})
		}
	}
}

// least returns how many nanoseconds f takes when nothing disturbs it: the least of many means.
func least(f func()) float64 {
	const calls = 200
	best := time.Hour
	for range 500 {
		start := time.Now()
		for range calls {
			f()
		}
		best = min(best, time.Since(start))
	}
	return float64(best.Nanoseconds()) / calls
}
