//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stockade-security/stockade/event"
)

// report is everything that was measured on one kernel.
type report struct {
	Kernel string
	CPUs   int
	Date   time.Time
	// LoadBefore and LoadAfter are the first load average; what else ran disturbs the numbers.
	LoadBefore, LoadAfter string
	// Emulated: nanoseconds mean nothing there, ratios do.
	Emulated bool
	// Rungs is each sensor's evidence.
	Rungs    map[string]event.Evidence
	Compared compared
	Skipped  map[string]string // guards that cannot run here, with the reason
	Programs []programCost     `json:",omitempty"`
	Load     *load             `json:",omitempty"`
}

func (r *report) lsm() bool { return r.Rungs["file"] == event.EvidenceLSM }

// write renders the report for docs/performance.md.
func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "### Kernel %s, %s\n\n", r.Kernel, map[bool]string{true: "with LSM programs", false: "without LSM programs"}[r.lsm()])
	fmt.Fprintf(w, "%s, %d CPUs%s, load average %s before and %s after, %d rounds. ", r.Date.UTC().Format(time.DateOnly), r.CPUs,
		map[bool]string{true: " (emulated: only the ratios mean something)"}[r.Emulated], r.LoadBefore, r.LoadAfter, r.Compared.Rounds)
	var rungs []string
	for _, name := range slices.Sorted(maps.Keys(r.Rungs)) {
		rungs = append(rungs, fmt.Sprintf("%s by %s", name, r.Rungs[name]))
	}
	fmt.Fprintf(w, "Sensors: %s.\n\n", strings.Join(rungs, ", "))
	r.writeLoops(w)
	for _, name := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(w, "%s was not measured: %s.\n\n", name, r.Skipped[name])
	}
	r.writeLoad(w)
	r.writePrograms(w)
}

func (r *report) writeLoops(w io.Writer) {
	guards := slices.SortedFunc(maps.Keys(r.Compared.Guards), func(a, b string) int { return strings.Compare(b, a) }) // ours first
	head := []string{"loop"}
	if !r.Emulated {
		head = append(head, alone)
	}
	for _, g := range guards {
		head = append(head, g, g+", CPU")
	}
	row(w, append(head, "aim")...)
	row(w, slices.Repeat([]string{"---"}, len(head)+1)...)
	for _, l := range loops() {
		cells := []string{l.name + ": " + l.what}
		if !r.Emulated {
			cells = append(cells, fmt.Sprintf("%.0f ns", r.Compared.Alone[l.name].Median))
		}
		for _, g := range guards {
			cells = append(cells, ratio(r.Compared.Guards[g].Wall[l.name]), ratio(r.Compared.Guards[g].CPU[l.name]))
		}
		row(w, append(cells, r.judge(l))...)
	}
	fmt.Fprintln(w)
}

// judge compares with the aim as the table shows the ratio, in hundredths.
func (r *report) judge(l loop) string {
	if l.lsmOnly && !r.lsm() {
		return ""
	}
	verdict := "missed"
	if math.Round(100*r.Compared.Guards[ours].Wall[l.name].Median) <= math.Round(100*l.aim) {
		verdict = "met"
	}
	return fmt.Sprintf("%.2f: %s", l.aim, verdict)
}

func ratio(s spread) string { return fmt.Sprintf("%.2f (%.2f to %.2f)", s.Median, s.Q1, s.Q3) }

func (r *report) writeLoad(w io.Writer) {
	if r.Load == nil {
		return
	}
	l := r.Load
	fmt.Fprintf(w, "%d opens in %.1f s, asked for %d a second, on two threads:\n\n", l.Opens, l.Elapsed.Seconds(), l.Rate)
	row(w, "records of the whole host", "lost", "unaccounted", "the guard's CPU", "RSS at most", "kernel maps")
	row(w, slices.Repeat([]string{"---"}, 6)...)
	row(w, fmt.Sprintf("%d produced, %d delivered", l.Produced, l.Delivered), losses(l.Lost), fmt.Sprint(l.unaccounted()),
		fmt.Sprintf("%.2f s a second", l.CPU), mebibytes(l.RSSBytes), mebibytes(l.MapBytes))
	fmt.Fprintln(w)
}

func (r *report) writePrograms(w io.Writer) {
	if len(r.Programs) == 0 {
		return
	}
	fmt.Fprint(w, "What the guard's BPF programs take of one round of a loop, as the kernel's own timer has it:\n\n")
	row(w, "loop", "program", "runs", "ns per run")
	row(w, slices.Repeat([]string{"---"}, 4)...)
	for _, p := range r.Programs {
		row(w, p.Loop, "`"+p.Program+"`", fmt.Sprintf("%.2f", p.RunsPerOp), fmt.Sprintf("%.0f", p.NSPerRun))
	}
	fmt.Fprintln(w)
}

func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func losses(lost map[string]uint64) string {
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(lost)) {
		if lost[cause] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", cause, lost[cause]))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
