package compile

import (
	"fmt"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/glob"
)

// pattern is what a candidate says of texts: which, and as for files used how.
type pattern struct {
	glob   *glob.Glob
	access policy.Access
}

func byGlob(g *glob.Glob) [4]int { return [4]int{g.Prefix(), g.Literals()} }

// patterns makes candidates of a list's rules, those with any of the letters.
func patterns(l policy.List[policy.PathRule], letters policy.Access, d Decision) []candidate[pattern] {
	var out []candidate[pattern]
	for _, r := range l.Rules {
		if r.Access&letters != 0 {
			out = append(out, candidate[pattern]{
				rule: Rule{r.Text, r.Pos}, decision: d, specificity: byGlob(r.Glob), what: pattern{r.Glob, r.Access},
			})
		}
	}
	return out
}

// files compiles the tables of the letters. They share their decisions, so that those about several letters compare.
func (c *compiler) files(p *policy.Process, tables *[ClassCount]Table) error {
	denied := offence{TypeFile, event.SeverityHigh}
	list := append(patterns(p.BlockedFiles, policy.AccessAll, denied.deny()), patterns(p.AllowedFiles, policy.AccessAll, Decision{Type: TypeFile})...)
	ends := c.ends(offence{TypeFile, event.SeverityMedium}, keyOf("allowed_files", p.AllowedFiles), keyOf("blocked_files", p.BlockedFiles))
	settle(c, list, &ends)
	for i, class := range []Class{ClassRead, ClassWrite, ClassMap} {
		letter := policy.AccessRead << i
		table, err := c.pathTable(list, letter, ends)
		if err != nil {
			return fmt.Errorf("files (%s): %w", letter, err)
		}
		tables[class] = table
	}
	return nil
}

// programs compiles the table of exec. What may be run need not be readable, so allowed_files has no say.
func (c *compiler) programs(p *policy.Process) (Table, error) {
	denied := offence{TypeExec, event.SeverityHigh}
	const x = policy.AccessExecute
	list := append(patterns(p.BlockedExec, policy.AccessAll, denied.deny()), patterns(p.BlockedFiles, x, denied.deny())...)
	list = append(list, patterns(p.AllowedExec, policy.AccessAll, Decision{Type: TypeExec})...)
	ends := c.ends(denied, keyOf("allowed_exec", p.AllowedExec), keyOf("blocked_exec", p.BlockedExec), keyOf("blocked_files", p.BlockedFiles))
	return c.table("programs", list, ends)
}

// sockets compiles the table of UNIX sockets. They are local: an allow list speaks of them only if it names one.
func (c *compiler) sockets(p *policy.Process) (Table, error) {
	denied := offence{TypeNetwork, event.SeverityCritical}
	allowed := socketRules(p.AllowedNetwork)
	blocked := socketRules(p.BlockedNetwork)
	list := append(patterns(blocked, policy.AccessAll, denied.deny()), patterns(allowed, policy.AccessAll, Decision{Type: TypeNetwork})...)
	ends := c.ends(denied, keyOf("allowed_network", allowed), keyOf("blocked_network", blocked))
	return c.table("UNIX sockets", list, ends)
}

// socketRules returns the rules of a list that name UNIX sockets, and an absent list if there are none.
func socketRules(l policy.List[policy.NetworkRule]) policy.List[policy.PathRule] {
	var out policy.List[policy.PathRule]
	for _, r := range l.Rules {
		if r.Path != nil {
			out.Present, out.Pos = true, l.Pos
			out.Rules = append(out.Rules, policy.PathRule{Text: r.Text, Pos: r.Pos, Glob: r.Path, Access: policy.AccessAll})
		}
	}
	return out
}

// table settles candidates and makes their table.
func (c *compiler) table(what string, list []candidate[pattern], ends ends) (Table, error) {
	settle(c, list, &ends)
	table, err := c.pathTable(list, policy.AccessAll, ends)
	if err != nil {
		return Table{}, fmt.Errorf("%s: %w", what, err)
	}
	return table, nil
}

// pathTable makes the table of the candidates with a letter, and an empty one if nothing speaks of that letter.
func (c *compiler) pathTable(list []candidate[pattern], letter policy.Access, ends ends) (Table, error) {
	var patterns []automaton.Pattern
	for _, r := range list {
		if r.what.access&letter != 0 {
			patterns = append(patterns, automaton.Pattern{Glob: r.what.glob, Value: r.number - ends.first})
		}
	}
	if len(patterns) == 0 && ends.miss == NoDecision {
		return Table{}, nil
	}
	automata, err := c.automata(patterns)
	return Table{Automata: automata, Base: ends.first, Miss: ends.miss, Long: ends.long}, err
}
