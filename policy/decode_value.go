package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// nameRule reads one of the known names, whatever the case of its letters. hint is for names like none of them.
func (r *reader) nameRule(node ast.Node, what string, known []string, hint string) (NameRule, bool) {
	s, ok := r.scalar(node, "the "+what)
	if !ok {
		return NameRule{}, false
	}
	return r.knownName(s, strings.ToLower(s.text), what, known, hint)
}

// knownName makes sure that name, which s was turned into, is one of the known ones.
func (r *reader) knownName(s scalar, name, what string, known []string, hint string) (NameRule, bool) {
	if !slices.Contains(known, name) {
		r.problem(s.pos, cmp.Or(r.meant(name, known), hint), "unknown %s %s", what, quoted(s.text))
		return NameRule{}, false
	}
	return NameRule{Text: name, Pos: s.pos}, true
}

// choice reads one of a few words, which are written in lower case; "" after a problem.
func (r *reader) choice(e entry, words []string) string {
	s, ok := r.scalar(e.value, e.key)
	if !ok || slices.Contains(words, s.text) {
		return s.text
	}
	r.problem(s.pos, cmp.Or(r.meant(s.text, words), "write one of them"), "%s %s is none of %s", e.key, quoted(s.text), strings.Join(words, ", "))
	return ""
}

// flag reads true or false.
func (r *reader) flag(e entry) Flag {
	b, ok := e.value.(*ast.BoolNode)
	if !ok {
		r.problem(r.place(e.value), "write true or false, without quotes", "%s must be true or false, not %s", e.key, kindOf(e.value))
		return Flag{}
	}
	return Flag{Set: b.Value, Pos: e.pos}
}

// limit reads a number from 0, which means no limit.
func (r *reader) limit(e entry) Limit {
	tk := e.value.GetToken()
	if _, ok := e.value.(*ast.IntegerNode); !ok {
		r.problem(r.place(e.value), "write a whole number without quotes", "%s must be a whole number, not %s", e.key, kindOf(e.value))
		return Limit{}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(tk.Value, "_", ""), 0, 32)
	switch {
	case err != nil:
		r.problem(r.at(tk), "write at most 2147483647", "%s is out of range: %s", e.key, quoted(tk.Value))
	case n < 0:
		r.problem(r.at(tk), "write 0 or leave the key out for no limit", "%s is negative", e.key)
	case n > 0:
		r.warn(WarningNotActedOn, e.pos, "", "%s is recorded only: this version measures no resources", e.key)
	}
	return Limit{Value: int(n), Pos: e.pos}
}

// count reads a whole number from 1 to most.
func (r *reader) count(e entry, most int) int {
	tk := e.value.GetToken()
	if _, ok := e.value.(*ast.IntegerNode); !ok {
		r.problem(r.place(e.value), "write a whole number without quotes", "%s must be a whole number, not %s", e.key, kindOf(e.value))
		return 0
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(tk.Value, "_", ""), 0, 64)
	if err != nil || n < 1 || n > int64(most) {
		r.problem(r.at(tk), "write a number of that range", "%s must be 1 to %d, not %s", e.key, most, quoted(tk.Value))
		return 0
	}
	return int(n)
}

// duration reads a time such as 60s or 1h30m, from one second to most.
func (r *reader) duration(e entry, most time.Duration) time.Duration {
	s, ok := r.scalar(e.value, e.key)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s.text)
	if err != nil {
		hint := "write a number with its unit: 90s, 5m or 1h30m"
		if n, err := strconv.ParseUint(s.text, 10, 16); err == nil {
			hint = fmt.Sprintf("write %ds for seconds or %dm for minutes", n, n)
		}
		if days, err := strconv.ParseUint(strings.TrimSuffix(s.text, "d"), 10, 16); err == nil && strings.HasSuffix(s.text, "d") {
			hint = fmt.Sprintf("write %dh", days*24)
		}
		r.problem(s.pos, hint, "%s is no duration: %s", e.key, quoted(s.text))
		return 0
	}
	if d < time.Second || d > most {
		r.problem(s.pos, "write a duration of that range, such as 60s", "%s must be 1s to %dh, not %s", e.key, int(most.Hours()), quoted(s.text))
		return 0
	}
	return d
}

// recordedOnly warns that nothing in this version acts on a key; what says what the version does not do.
func (r *reader) recordedOnly(e entry, what string) {
	r.warn(WarningNotActedOn, e.pos, "", "%s is recorded only: this version %s", e.key, what)
}

// isName reports whether the text can name something of the policy's own: a letter, then letters, digits, - and _.
func isName(text string) bool {
	for i, c := range text {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '_')) {
			return false
		}
	}
	return text != "" && len(text) <= 64
}
