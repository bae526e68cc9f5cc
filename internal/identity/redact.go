package identity

import (
	"slices"
	"strings"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// Redactor takes secrets out of command lines: values of options and variables whose name says so, arguments that
// known tools take for a password, credentials in URLs and headers, and tokens, keys and JWTs by their form. What the
// value was for stays visible. The zero value knows the usual names. It cannot know a secret that is given without
// any sign of being one. Safe for concurrent use; it allocates only when it redacts.
type Redactor struct {
	// Keys are further names of options and variables whose value is secret, whatever their case.
	Keys []string
}

// Argv returns the arguments without secrets: argv itself when it has none, else a copy.
func (r *Redactor) Argv(argv []string) []string {
	out := argv
	var s redaction
	shell := false // the argument before was a shell's -c
	for i, a := range argv {
		clean := r.argument(a, &s, shell)
		shell = isCommandFlag(a)
		if clean == a {
			continue
		}
		if &out[0] == &argv[0] {
			out = slices.Clone(argv)
		}
		out[i] = clean
	}
	return out
}

func isCommandFlag(a string) bool {
	return len(a) >= 2 && len(a) <= 5 && a[0] == '-' && a[1] != '-' && a[len(a)-1] == 'c'
}

// redaction is what the arguments so far say about the next.
type redaction struct {
	tool *tool
	next valueForm
}

func (r *Redactor) argument(a string, s *redaction, shell bool) string {
	if s.next != noValue || !strings.ContainsAny(a, " \t\n") {
		return r.word(a, s)
	}
	if strings.HasPrefix(a, "-") {
		if clean := r.word(a, s); clean != a {
			return clean // an option whose value has blanks
		}
	}
	return r.words(r.text(a, !shell))
}

// words redacts a command line within one argument, word by word.
func (r *Redactor) words(line string) string {
	var b strings.Builder
	var s redaction
	done := 0
	for at := 0; at < len(line); {
		if isBlank(line[at]) {
			at++
			continue
		}
		end := wordEnd(line, at)
		if clean := r.word(line[at:end], &s); clean != line[at:end] {
			b.WriteString(line[done:at])
			b.WriteString(clean)
			done = end
		}
		at = end
	}
	if done == 0 {
		return line
	}
	b.WriteString(line[done:])
	return b.String()
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// wordEnd returns the end of the word at the given place; quotes hold a word together.
func wordEnd(line string, at int) int {
	quote := byte(0)
	for ; at < len(line); at++ {
		switch c := line[at]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case isBlank(c):
			return at
		}
	}
	return at
}

// word redacts one argument in the light of those before it.
func (r *Redactor) word(a string, s *redaction) string {
	form := s.next
	s.next = noValue
	if form == afterOption && strings.HasPrefix(a, "-") {
		form = noValue // the option took no value
	}
	if form != noValue {
		return form.redact(a)
	}
	if s.tool != nil {
		for _, f := range s.tool.flags {
			switch {
			case a == f.name && f.form != promptOnly:
				s.next = f.form
				return a
			case f.attached && len(a) > len(f.name) && strings.HasPrefix(a, f.name):
				return f.name + f.form.redact(a[len(f.name):])
			}
		}
	}
	if !strings.HasPrefix(a, "-") {
		s.enter(a)
		return r.text(a, true)
	}
	name := strings.TrimLeft(a, "-")
	if !strings.ContainsAny(name, "=:") && r.isSecretOption(a, name) {
		s.next = afterOption
		return a
	}
	return r.text(a, true)
}

func (r *Redactor) isSecretOption(a, name string) bool {
	if len(a)-len(name) == 1 && strings.EqualFold(name, "pass") {
		return false // ffmpeg -pass 1; tools for which it is a secret are listed
	}
	return !strings.HasPrefix(name, "no-") && r.isSecretKey(name)
}

// valueForm says what of an argument is secret.
type valueForm uint8

const (
	noValue      valueForm = iota
	wholeValue             // all of it, whatever it looks like
	afterOption            // all of it, unless it is an option itself
	afterColon             // user:SECRET
	afterPercent           // user%SECRET
	promptOnly             // all of what follows without a blank; alone the option makes the tool ask
)

func (f valueForm) redact(a string) string {
	sep := ""
	switch f {
	case afterColon:
		sep = ":"
	case afterPercent:
		sep = "%"
	default:
		return Redacted
	}
	user, secret, ok := strings.Cut(a, sep)
	if !ok || secret == "" {
		return a
	}
	return user + sep + Redacted
}
