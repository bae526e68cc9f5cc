package compile

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
)

// validate checks what those who execute an image rely on: every number is the number of something, what is searched is
// sorted, and nothing is over its bound.
func (img *Image) validate() error {
	if e, _ := img.over(); e != nil {
		return e
	}
	v := validator{img: img}
	for _, step := range []func(){v.head, v.decisions, v.automata, v.ports, v.networks, v.subjects, v.actors, v.host, v.firewall} {
		if step(); v.err != nil {
			return v.err
		}
	}
	return nil
}

// validator keeps the first thing that is wrong.
type validator struct {
	img *Image
	err error
	// values holds one more than the largest value of each automaton.
	values []uint32
	// runs holds for each of the image's ports where the run of sorted ones ends that it is in, members likewise.
	runs, members []uint32
}

func (v *validator) fail(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf(format, args...)
	}
}

// below checks numbers of something of which there are so many.
func (v *validator) below(what string, count int, numbers ...uint32) {
	for _, n := range numbers {
		if uint64(n) >= uint64(count) {
			v.fail("%s %d of %d", what, n, count)
		}
	}
}

func (v *validator) decision(numbers ...uint32) {
	v.below("decision", len(v.img.Decisions), numbers...)
}

// optional is below for numbers that may be NoTable.
func (v *validator) optional(what string, count int, n uint32) {
	if n != NoTable {
		v.below(what, count, n)
	}
}

func (v *validator) span(what string, r Range, count int) {
	if uint64(r.First)+uint64(r.Count) > uint64(count) {
		v.fail("%s %d to %d of %d", what, r.First, uint64(r.First)+uint64(r.Count), count)
	}
}

// run checks that a range lies within one run of what is sorted.
func (v *validator) run(what string, r Range, runs []uint32) {
	v.span(what, r, len(runs))
	if v.err == nil && r.Count > 0 && r.First+r.Count > runs[r.First] {
		v.fail("%s from %d on are not sorted", what, r.First)
	}
}

// table checks a table that yields numbers of something of which there are so many.
func (v *validator) table(what string, t Table, count int) {
	v.span("automata", t.Automata, len(v.img.Automata))
	v.decision(t.Miss, t.Long)
	if t.Automata.Count > MaxTableAutomata {
		v.fail("a table of %d automata", t.Automata.Count)
	}
	if v.err != nil {
		return
	}
	for _, values := range v.values[t.Automata.First:][:t.Automata.Count] {
		if end := uint64(t.Base) + uint64(values); end > uint64(count) {
			v.fail("%s %d of %d", what, end-1, count)
		}
	}
}

// anyValue is the bound of tables of which only a match counts.
const anyValue = math.MaxInt

func (v *validator) decisionTable(t Table) { v.table("decision", t, len(v.img.Decisions)) }

func (v *validator) mode(m policy.Mode) {
	if _, err := policy.ParseMode(string(m)); err != nil {
		v.fail("%v", err)
	}
}

func (v *validator) head() {
	img := v.img
	if raw, err := hex.DecodeString(img.Digest); err != nil || len(raw) != 0 && len(raw) != 32 {
		v.fail("the policy's digest is none")
	}
	v.mode(img.Mode)
	if len(img.Rules) == 0 || len(img.Decisions) == 0 || len(img.Subjects) == 0 {
		v.fail("no rules, decisions or subjects")
	}
}

func (v *validator) decisions() {
	types := []Type{TypeExec, TypeFile, TypeNetwork, TypeSyscall, TypeResource, TypeCapability, TypeProcess, TypeKernel, TypeDNS, TypeFirewall}
	severities := []event.Severity{event.SeverityLow, event.SeverityMedium, event.SeverityHigh, event.SeverityCritical}
	if v.img.Decisions[NoDecision] != (Decision{}) {
		v.fail("the first decision says something")
	}
	for i, d := range v.img.Decisions[1:] {
		v.below("rule", len(v.img.Rules), d.Rule)
		v.below("grant", MaxGrants, d.Grant)
		if !slices.Contains(types, d.Type) || d.Deny != slices.Contains(severities, d.Severity) || !d.Deny && d != (Decision{Type: d.Type, Rule: d.Rule}) {
			v.fail("decision %d makes no sense", i+1)
		}
	}
}

func (v *validator) automata() {
	v.values = make([]uint32, len(v.img.Automata))
	for i := range v.img.Automata {
		a := &v.img.Automata[i]
		if err := a.Validate(); err != nil {
			v.fail("automaton %d: %w", i, err)
			return
		}
		v.values[i] = values(a)
	}
}

// values walks over the states that a match can come to, and returns one more than the largest of their values. The
// automaton is valid, so no step leads out of its cells. Cells point to the next entry of their state first, so that states
// with few entries cost little whatever the number of classes.
func values(a *automaton.Automaton) (count uint32) {
	width := uint32(slices.Max(a.Classes[:]))
	entry, next := make([]uint32, len(a.Cells)), make([]uint32, len(a.Cells)) // 0 is no entry of any state
	for i, cell := range a.Cells {
		if s := cell.Check; s < uint32(i) && uint32(i)-s <= width {
			entry[s], next[i] = uint32(i), entry[s]
		}
	}
	seen := make([]bool, len(a.Cells))
	for queue := []uint32{a.Start}; len(queue) > 0; {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		if value := a.Cells[s].Check; value != automaton.None {
			count = max(count, value+1)
		}
		queue = append(queue, a.Cells[s].Next)
		for i := entry[s]; i != 0; i = next[i] {
			queue = append(queue, a.Cells[i].Next)
		}
	}
	return count
}
