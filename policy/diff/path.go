package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/glob"
)

// ruled is a rule about texts.
type ruled struct {
	glob *glob.Glob
	deny bool
	text string
	pos  policy.Position
	// except are the executables that a denial does not hold for.
	except []policy.PathRule
}

// class is what one policy says of one way to use texts.
type class struct {
	rules []ruled
	// miss is what is said of texts that no rule names.
	miss Side
}

func (c *class) add(deny bool, letters policy.Access, rules ...policy.PathRule) {
	for _, r := range rules {
		if r.Access&letters != 0 {
			c.rules = append(c.rules, ruled{glob: r.Glob, deny: deny, text: r.Text, pos: r.Pos})
		}
	}
}

// closes makes an allow list deny what it does not name.
func closes[R any](c *class, key string, l policy.List[R]) {
	c.miss = silent()
	if l.Present {
		c.miss = Side{Answer: Denied, Rule: key, Position: l.Pos.String(), unlisted: true}
	}
}

// settle puts the rules into the order of precedence: docs/policy.md, "What wins".
func (c *class) settle() {
	slices.SortStableFunc(c.rules, func(a, b ruled) int {
		if a.deny != b.deny {
			if a.deny {
				return -1
			}
			return 1
		}
		return cmp.Or(b.glob.Prefix()-a.glob.Prefix(), b.glob.Literals()-a.glob.Literals(), strings.Compare(a.pos.File, b.pos.File), a.pos.Line-b.pos.Line, a.pos.Column-b.pos.Column)
	})
}

// side is what the policy says of texts whose first rule is rules[value].
func (c *class) side(value uint32) Side {
	if value == automaton.None {
		return c.miss
	}
	r := &c.rules[value]
	out := Side{Answer: Allowed, Rule: r.text, Position: r.pos.String()}
	if r.deny {
		out.Answer = Denied
		for _, exe := range r.except {
			out.For = append(out.For, exe.Text)
		}
	}
	return out
}

// meaning is what a rule says, wherever it stands.
func (r *ruled) meaning() string {
	except := make([]string, len(r.except))
	for i, exe := range r.except {
		except[i] = exe.Glob.String()
	}
	slices.Sort(except)
	return fmt.Sprintf("%q %t %q", r.glob, r.deny, except)
}

// automata prepares a side of a comparison with another class.
func (c *class) automata(other *class) automaton.Side {
	known := map[string]bool{}
	for i := range other.rules {
		known[other.rules[i].meaning()] = true
	}
	side := automaton.Side{Changed: map[uint32]bool{}}
	for i := range c.rules {
		r := &c.rules[i]
		side.Patterns = append(side.Patterns, automaton.Pattern{Glob: r.glob, Value: uint32(i)})
		side.Changed[uint32(i)] = !known[r.meaning()]
	}
	return side
}

// texts compares two classes over all texts.
func (d *comparison) texts(subject, kind string, a, b *class, over automaton.Language) error {
	a.settle()
	b.settle()
	regions, err := automaton.Compare(a.automata(b), b.automata(a), over, a.miss.Answer != b.miss.Answer)
	if err = d.tooLarge(subject+": "+kind, err); err != nil {
		return err
	}
	for _, r := range regions {
		from, to := a.side(r.A), b.side(r.B)
		if from.Answer == to.Answer && slices.Equal(from.For, to.For) {
			continue
		}
		d.change(Change{Subject: subject, Kind: kind, From: from, To: to, Object: describe(from, to), Example: r.Example})
	}
	return nil
}

// describe names the texts of a region by the rules that decide them.
func describe(from, to Side) string {
	switch {
	case from.unlisted && to.unlisted:
		return "what no rule names, now or before"
	case to.unlisted:
		return from.Rule + ", where no rule names it now"
	case from.unlisted:
		return to.Rule + ", where no rule named it before"
	case from.Rule == to.Rule:
		return to.Rule
	}
	return to.Rule + ", where " + from.Rule + " decided before"
}

// paths compares what an entry says of programs, files and sockets.
func (d *comparison) paths(subject string, a, b *policy.Process) error {
	for _, l := range []struct {
		kind   string
		letter policy.Access
	}{{"read", policy.AccessRead}, {"write", policy.AccessWrite}, {"map", policy.AccessExecute}} {
		if err := d.texts(subject, l.kind, files(a, l.letter), files(b, l.letter), automaton.CleanPaths()); err != nil {
			return err
		}
	}
	if err := d.texts(subject, "exec", programs(a), programs(b), automaton.CleanPaths()); err != nil {
		return err
	}
	return d.texts(subject, "unix", sockets(a), sockets(b), automaton.SocketNames())
}

func files(p *policy.Process, letter policy.Access) *class {
	c := &class{}
	c.add(true, letter, p.BlockedFiles.Rules...)
	c.add(false, letter, p.AllowedFiles.Rules...)
	closes(c, "allowed_files", p.AllowedFiles)
	return c
}

func programs(p *policy.Process) *class {
	c := &class{}
	c.add(true, policy.AccessAll, p.BlockedExec.Rules...)
	c.add(true, policy.AccessExecute, p.BlockedFiles.Rules...)
	c.add(false, policy.AccessAll, p.AllowedExec.Rules...)
	closes(c, "allowed_exec", p.AllowedExec)
	return c
}

// sockets: an allow list speaks of UNIX sockets only if it names one.
func sockets(p *policy.Process) *class {
	c := &class{miss: silent()}
	for _, l := range []struct {
		deny bool
		list policy.List[policy.NetworkRule]
	}{{true, p.BlockedNetwork}, {false, p.AllowedNetwork}} {
		for _, r := range l.list.Rules {
			if r.Path == nil {
				continue
			}
			c.rules = append(c.rules, ruled{glob: r.Path, deny: l.deny, text: r.Text, pos: r.Pos})
			if !l.deny {
				closes(c, "allowed_network", l.list)
			}
		}
	}
	return c
}
