package glob

import (
	"fmt"
	"strings"
)

const (
	// maxLength is the longest pattern: the longest path that Linux resolves.
	maxLength = 4096
	// maxNesting bounds braces within braces.
	maxNesting = 8
)

// Parse compiles a pattern. The error is a *SyntaxError.
func Parse(pattern string) (*Glob, error) {
	if pattern == "" {
		return nil, &SyntaxError{Message: "the pattern is empty"}
	}
	if len(pattern) > maxLength {
		return nil, &SyntaxError{Offset: maxLength, Message: fmt.Sprintf("the pattern is longer than %d bytes", maxLength)}
	}
	if i := strings.IndexFunc(pattern, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return nil, &SyntaxError{Offset: i, Message: fmt.Sprintf("control character %#02x", pattern[i])}
	}
	p := parser{text: pattern}
	prefix, err := p.literal()
	if err != nil {
		return nil, err
	}
	g := &Glob{text: pattern, prefix: prefix}
	if p.at == len(pattern) {
		g.literals = len(prefix)
		return g, nil
	}
	metaStart := p.at
	f, err := p.sequence(0)
	if err != nil {
		return nil, err
	}
	g.suffix, g.needle = string(p.run), string(p.needle)
	g.literals = len(prefix) + f.literals
	switch pattern[metaStart:p.runAt] {
	case "*":
		g.form = formRun
	case "**":
		g.form = formTree
	default:
		g.form = formGeneral
		g.nfa = nfa{positions: p.positions, first: f.first, last: f.last, nullable: f.nullable}
	}
	return g, nil
}

// fragment is a part of the automaton under construction.
type fragment struct {
	nullable    bool
	first, last set
	// literals is the least number of literal bytes on any way through.
	literals int
}

type parser struct {
	text      string
	at        int
	positions []position
	// run collects the literal bytes outside braces since the last wildcard, which ended at runAt; needle is the longest so far.
	run    []byte
	runAt  int
	needle []byte
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &SyntaxError{Offset: at, Message: fmt.Sprintf(format, args...)}
}

// literal consumes bytes up to the first that means more than itself.
func (p *parser) literal() (string, error) {
	var out []byte
	for p.at < len(p.text) && strings.IndexByte("*?[{}", p.text[p.at]) < 0 {
		c, err := p.literalByte()
		if err != nil {
			return "", err
		}
		out = append(out, c)
	}
	return string(out), nil
}

func (p *parser) literalByte() (byte, error) {
	c := p.text[p.at]
	if c == '\\' {
		if p.at++; p.at == len(p.text) {
			return 0, p.fail(p.at-1, `\ at the end escapes nothing`)
		}
		c = p.text[p.at]
	}
	p.at++
	return c, nil
}

// sequence consumes elements up to the end, or inside braces up to the , or } that ends the alternative.
func (p *parser) sequence(depth int) (fragment, error) {
	whole := fragment{nullable: true}
	for p.at < len(p.text) {
		if c := p.text[p.at]; depth > 0 && (c == ',' || c == '}') {
			break
		}
		part, err := p.element(depth)
		if err != nil {
			return fragment{}, err
		}
		whole = p.concatenate(whole, part)
	}
	return whole, nil
}

func (p *parser) element(depth int) (fragment, error) {
	start := p.at
	var part fragment
	var err error
	switch p.text[start] {
	case '*':
		p.at++
		accept := without('/')
		if strings.HasPrefix(p.text[p.at:], "*") {
			p.at++
			accept = without()
		}
		part, err = p.position(start, accept)
		p.loop(&part)
	case '?':
		p.at++
		part, err = p.position(start, without('/'))
	case '[':
		var accept set
		if accept, err = p.class(); err == nil {
			part, err = p.position(start, accept)
		}
	case '{':
		part, err = p.braces(depth + 1)
	case '}':
		err = p.fail(start, "} closes no {")
	default:
		return p.literalElement(depth)
	}
	if depth == 0 {
		if len(p.run) > len(p.needle) {
			p.needle = p.run
		}
		p.run, p.runAt = nil, p.at
	}
	return part, err
}

func (p *parser) literalElement(depth int) (fragment, error) {
	start := p.at
	c, err := p.literalByte()
	if err != nil {
		return fragment{}, err
	}
	var accept set
	accept.add(int(c))
	part, err := p.position(start, accept)
	part.literals = 1
	if depth == 0 {
		p.run = append(p.run, c)
	}
	return part, err
}

// without returns every byte value but those.
func without(bytes ...byte) set {
	var s set
	for i := range s {
		s[i] = ^uint64(0)
	}
	for _, c := range bytes {
		s[c>>6] &^= 1 << (c & 63)
	}
	return s
}

func (p *parser) position(at int, accept set) (fragment, error) {
	i := len(p.positions)
	if i == maxPositions {
		return fragment{}, p.fail(at, "the pattern is too long behind its first wildcard: at most %d elements", maxPositions)
	}
	p.positions = append(p.positions, position{accept: accept})
	var f fragment
	f.first.add(i)
	f.last.add(i)
	return f, nil
}

// loop makes the fragment of one position repeat any number of times.
func (p *parser) loop(f *fragment) {
	f.nullable = true
	p.connect(&f.last, &f.first)
}

func (p *parser) connect(from, to *set) {
	for i := range p.positions {
		if from.has(i) {
			p.positions[i].follow.union(to)
		}
	}
}

func (p *parser) concatenate(a, b fragment) fragment {
	p.connect(&a.last, &b.first)
	out := fragment{nullable: a.nullable && b.nullable, first: a.first, last: b.last, literals: a.literals + b.literals}
	if a.nullable {
		out.first.union(&b.first)
	}
	if b.nullable {
		out.last.union(&a.last)
	}
	return out
}

func (p *parser) braces(depth int) (fragment, error) {
	start := p.at
	if depth > maxNesting {
		return fragment{}, p.fail(start, "braces nest more than %d deep", maxNesting)
	}
	var whole fragment
	for first := true; ; first = false {
		p.at++ // the { or ,
		part, err := p.sequence(depth)
		if err != nil {
			return fragment{}, err
		}
		if p.at == len(p.text) {
			return fragment{}, p.fail(start, "{ is never closed")
		}
		if first || part.literals < whole.literals {
			whole.literals = part.literals
		}
		whole.nullable = whole.nullable || part.nullable
		whole.first.union(&part.first)
		whole.last.union(&part.last)
		if p.text[p.at] == '}' {
			p.at++
			return whole, nil
		}
	}
}

// class consumes a set in brackets; what follows a \ in it stands for itself.
func (p *parser) class() (set, error) {
	start := p.at
	p.at++
	negated := p.at < len(p.text) && (p.text[p.at] == '!' || p.text[p.at] == '^')
	if negated {
		p.at++
	}
	var s set
	for empty := true; ; empty = false {
		if p.at == len(p.text) {
			return s, p.fail(start, "[ is never closed")
		}
		if p.text[p.at] == ']' {
			if empty {
				return s, p.fail(start, "the set is empty")
			}
			p.at++
			break
		}
		if err := p.classRange(&s); err != nil {
			return s, err
		}
	}
	if negated {
		all := without('/')
		for i := range s {
			s[i] = all[i] &^ s[i]
		}
	}
	return s, nil
}

func (p *parser) classRange(s *set) error {
	start := p.at
	low, err := p.classByte()
	if err != nil {
		return err
	}
	high := low
	if rest := p.text[p.at:]; len(rest) >= 2 && rest[0] == '-' && rest[1] != ']' {
		p.at++
		if high, err = p.classByte(); err != nil {
			return err
		}
	}
	if high < low {
		return p.fail(start, "the range %c-%c is the wrong way round", low, high)
	}
	if low <= '/' && '/' <= high {
		return p.fail(start, "a set cannot hold /")
	}
	for c := int(low); c <= int(high); c++ {
		s.add(c)
	}
	return nil
}

func (p *parser) classByte() (byte, error) {
	start := p.at
	c, err := p.literalByte()
	if err == nil && c >= 0x80 {
		err = p.fail(start, "a set holds ASCII only: use {é,è} for other letters")
	}
	return c, err
}
