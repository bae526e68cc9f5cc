package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/glob"
)

// claim is a claim with the executables that it is about: patterns of one specificity, because the most specific one that
// an executable matches counts.
type claim struct {
	Claim
	exes        []*glob.Glob
	specificity [4]int
	// conditions is how many kinds of them must hold.
	conditions int
}

// actors compiles every list of executables in the policy, so it comes last. The values of their patterns are the numbers
// of claims, and behind them those of grants.
func (c *compiler) actors() error {
	claims, err := c.claims()
	if err != nil {
		return err
	}
	if n := len(c.granted); n > MaxGrants {
		return &BoundError{What: "lists of executables", Need: n - 1, Max: MaxGrants - 1}
	}
	var patterns []automaton.Pattern
	for i, claim := range claims {
		c.image.Claims = append(c.image.Claims, claim.Claim)
		patterns = append(patterns, same(claim.exes, uint32(i))...)
	}
	for i, exes := range c.granted {
		patterns = append(patterns, same(exes, uint32(len(claims)+i))...)
	}
	automata, sets, err := c.sets(patterns)
	if err != nil {
		return fmt.Errorf("executables: %w", err)
	}
	c.image.Actors.Automata = automata
	for _, set := range sets {
		c.image.ActorSets = append(c.image.ActorSets, actorSet(set, uint32(len(claims))))
	}
	return nil
}

func same(globs []*glob.Glob, value uint32) []automaton.Pattern {
	out := make([]automaton.Pattern, len(globs))
	for i, g := range globs {
		out[i] = automaton.Pattern{Glob: g, Value: value}
	}
	return out
}

// actorSet parts claims from grants.
func actorSet(values []uint32, firstGrant uint32) ActorSet {
	var out ActorSet
	for _, v := range values {
		if v < firstGrant {
			out.Claims = append(out.Claims, v)
		} else {
			g := v - firstGrant
			out.Grants[g/64] |= 1 << (g % 64)
		}
	}
	return out
}

// grant returns the number of those that run one of the executables.
func (c *compiler) grant(l policy.List[policy.PathRule]) uint32 {
	globs := make([]*glob.Glob, len(l.Rules))
	for i, r := range l.Rules {
		globs[i] = r.Glob
	}
	if len(globs) == 0 {
		return 0
	}
	key := fmt.Sprintf("%q", globs)
	n, ok := c.grants[key]
	if !ok {
		n = uint32(len(c.granted))
		c.grants[key] = n
		c.granted = append(c.granted, globs)
	}
	return n
}

// claims lists what the entries claim, in order of precedence.
func (c *compiler) claims() ([]claim, error) {
	var out []claim
	for i := range c.policy.Processes {
		p := &c.policy.Processes[i]
		list, err := c.claimsOf(uint32(i+1), p)
		if err != nil {
			return nil, fmt.Errorf("%s: match of %s: %w", p.Pos, p.Name, err)
		}
		out = append(out, list...)
	}
	slices.SortStableFunc(out, func(a, b claim) int {
		return cmp.Or(slices.Compare(b.specificity[:], a.specificity[:]), b.conditions-a.conditions)
	})
	return out, nil
}

// claimsOf returns one claim for each specificity of the patterns of executables, none if a condition can never hold.
func (c *compiler) claimsOf(subject uint32, p *policy.Process) ([]claim, error) {
	m := p.Match
	base := claim{Claim: Claim{Subject: subject, Users: namesOf(m.User), SHA256: namesOf(m.SHA256)}}
	for _, list := range []listKey{
		keyOf("exe", m.Exe), keyOf("name", m.Name), keyOf("unit", m.Unit), keyOf("cgroup", m.Cgroup),
		keyOf("container", m.Container), keyOf("user", m.User), keyOf("sha256", m.SHA256),
	} {
		switch {
		case list.present && list.rules == 0:
			return nil, nil
		case list.present:
			base.conditions++
		}
	}
	if base.conditions == 0 {
		base.conditions = 1
		m.Name = policy.List[policy.NameRule]{Present: true, Rules: []policy.NameRule{{Text: p.Name}}}
	}
	names, err := baseNames(m.Name)
	if err != nil {
		return nil, err
	}
	var exes []*glob.Glob
	switch {
	case m.Exe.Present:
		for _, r := range m.Exe.Rules {
			exes = append(exes, r.Glob)
		}
		base.Name, err = c.condition(names)
	case m.Name.Present:
		exes = names
	default:
		exes, err = globs("**")
	}
	if err != nil {
		return nil, err
	}
	if err := c.conditions(&m, &base.Claim); err != nil {
		return nil, err
	}
	return base.bySpecificity(exes), nil
}

// bySpecificity returns the claim once for each specificity of the patterns.
func (base claim) bySpecificity(exes []*glob.Glob) []claim {
	var out []claim
	for _, g := range exes {
		specificity := byGlob(g)
		i := slices.IndexFunc(out, func(c claim) bool { return c.specificity == specificity })
		if i < 0 {
			i = len(out)
			base.specificity, base.exes = specificity, nil
			out = append(out, base)
		}
		out[i].exes = append(out[i].exes, g)
	}
	return out
}

func (c *compiler) conditions(m *policy.Match, to *Claim) error {
	for _, condition := range []struct {
		to   *Condition
		list policy.List[policy.GlobRule]
	}{{&to.Unit, m.Unit}, {&to.Cgroup, m.Cgroup}, {&to.Container, m.Container}} {
		var list []*glob.Glob
		for _, r := range condition.list.Rules {
			list = append(list, r.Glob)
		}
		made, err := c.condition(list)
		if err != nil {
			return err
		}
		*condition.to = made
	}
	return nil
}

// condition makes a table that yields 1 for what one of the patterns matches.
func (c *compiler) condition(list []*glob.Glob) (Condition, error) {
	if len(list) == 0 {
		return Condition{}, nil
	}
	automata, err := c.automata(same(list, 1))
	return Condition{Present: true, Table: Table{Automata: automata}}, err
}

// baseNames returns the patterns of executables with those names, in any directory.
func baseNames(l policy.List[policy.NameRule]) ([]*glob.Glob, error) {
	var out []*glob.Glob
	for _, r := range l.Rules {
		g, err := globs("**/" + literal(r.Text))
		if err != nil {
			return nil, err
		}
		out = append(out, g...)
	}
	return out, nil
}

func globs(pattern string) ([]*glob.Glob, error) {
	g, err := glob.Parse(pattern)
	return []*glob.Glob{g}, err
}

// literal escapes a name so that as a pattern it stands for itself.
func literal(name string) string {
	var out strings.Builder
	for i := range len(name) {
		if strings.IndexByte(`*?[]{},\`, name[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(name[i])
	}
	return out.String()
}

func namesOf(l policy.List[policy.NameRule]) []string {
	var out []string
	for _, r := range l.Rules {
		out = append(out, r.Text)
	}
	return out
}
