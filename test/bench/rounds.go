//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
)

// watched is one guard's part of the report: how much longer each loop takes than without any guard, and how much more
// CPU the looping thread and its children use. The ratio is taken in each round by itself.
type watched struct {
	Wall, CPU map[string]spread
}

// compared is what all rounds yielded.
type compared struct {
	Rounds int
	// Alone is each loop without a guard, in nanoseconds per operation.
	Alone  map[string]spread
	Guards map[string]watched
}

// contender is a guard under its name in the report.
type contender struct {
	name string
	guard
}

// compare runs rounds of the loops, each under every guard once. The order turns from round to round, so that a drift of the
// machine does not fall to one guard.
func compare(ctx context.Context, rounds int, dir string, contenders []contender, say func(string, ...any)) (compared, error) {
	loops := loopNames()
	phases := append([]contender{{alone, none{}}}, contenders...)
	samples := make([]map[string]map[string]timing, rounds)
	for round := range rounds {
		samples[round] = map[string]map[string]timing{}
		for i := range phases {
			p := phases[(round+i)%len(phases)]
			timings, err := phase(ctx, p, dir, loops)
			if err != nil {
				return compared{}, fmt.Errorf("round %d, %s: %w", round+1, p.name, err)
			}
			samples[round][p.name] = timings
			say("round %d of %d, %-8s %s", round+1, rounds, p.name, brief(timings, loops))
		}
	}
	out := compared{Rounds: rounds, Alone: map[string]spread{}, Guards: map[string]watched{}}
	for _, l := range loops {
		out.Alone[l] = over(samples, func(s map[string]map[string]timing) float64 { return s[alone][l].WallNS })
	}
	for _, c := range contenders {
		w := watched{Wall: map[string]spread{}, CPU: map[string]spread{}}
		for _, l := range loops {
			w.Wall[l] = over(samples, func(s map[string]map[string]timing) float64 { return s[c.name][l].WallNS / s[alone][l].WallNS })
			w.CPU[l] = over(samples, func(s map[string]map[string]timing) float64 { return s[c.name][l].CPUNS / s[alone][l].CPUNS })
		}
		out.Guards[c.name] = w
	}
	return out, nil
}

// alone names the rounds without a guard.
const alone = "alone"

// phase gives each loop a worker of its own, when the guard has digested the one before.
func phase(ctx context.Context, c contender, dir string, loops []string) (timings map[string]timing, err error) {
	timings = map[string]timing{}
	err = with(c, func() error {
		for _, l := range loops {
			c.calm()
			if err := work(ctx, c.wrapper(), &timings, "-dir", dir, "-loops", l); err != nil {
				return err
			}
		}
		return nil
	})
	return timings, err
}

func over[S any](samples []S, value func(S) float64) spread {
	var values []float64
	for _, s := range samples {
		values = append(values, value(s))
	}
	return newSpread(values)
}

func brief(timings map[string]timing, loops []string) string {
	var parts []string
	for _, l := range loops {
		parts = append(parts, fmt.Sprintf("%s %.0f", l, timings[l].WallNS))
	}
	return strings.Join(parts, ", ") + " ns"
}
