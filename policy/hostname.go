package policy

import (
	_ "embed"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// parseHost checks a host name: letters, digits, - and _ in labels, and *. or **. before them. It returns the name in lower
// case without a dot at the end.
func parseHost(text string) (string, *networkError) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	labels := strings.TrimPrefix(strings.TrimPrefix(name, "**."), "*.")
	if at := strings.IndexFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }); at >= 0 {
		return "", notASCII(text, at)
	}
	at := len(name) - len(labels)
	if len(name) > 253 {
		return "", &networkError{0, "a host name has at most 253 characters", ""}
	}
	for label := range strings.SplitSeq(labels, ".") {
		bad := strings.IndexFunc(label, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
		})
		if bad >= 0 || label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", &networkError{at + max(0, bad), "neither an address nor a host name", hostHint(labels, label)}
		}
		at += len(label) + 1
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return "", &networkError{len(name) - len(last), "a host name does not end in a number", "write an address in full, as 192.0.2.1"}
	}
	return name, nil
}

// hostHint says what to write instead of a label that is none.
func hostHint(labels, label string) string {
	switch {
	case len(label) > 63:
		return "what stands between two dots has at most 63 characters"
	case !strings.Contains(label, "*"):
		return ""
	case strings.Trim(labels, "0123456789.*") == "":
		return "write a network, such as 10.0.0.0/8"
	}
	return "write *.example.com for one label before the name, **.example.com for one or more"
}

// notASCII is the error of a name that holds other characters at the byte at.
func notASCII(text string, at int) *networkError {
	stars := text[:len(text)-len(strings.TrimLeft(text, "*."))]
	hint := "write the form that starts with xn--"
	if ascii, err := idna.Lookup.ToASCII(text[len(stars):]); err == nil {
		if name, bad := parseHost(stars + ascii); bad == nil {
			hint = "its ASCII form is " + name
		}
	}
	return &networkError{at, "a host name is written in ASCII", hint}
}

// sharedParents are the domains right below which strangers share a suffix, such as amazonaws.com for s3.amazonaws.com:
// golang.org/x/net/publicsuffix tells suffixes, and not what lies above them. The first line says where they come from.
//
//go:embed hostname.txt
var sharedParents string

// sharedSuffix says what is wrong with granting a pattern of host names whose names belong to strangers, and returns "" for one
// that does no such thing. Names below a top-level domain that nobody registers, such as internal, are the network's own.
func sharedSuffix(host string) string {
	base, deep := strings.CutPrefix(host, "**.")
	base, one := strings.CutPrefix(base, "*.")
	if !deep && !one {
		return ""
	}
	if suffix, icann := publicsuffix.PublicSuffix(base); suffix == base && (icann || strings.Contains(base, ".")) {
		return "anybody may get a name below " + quoted(base)
	}
	if strings.Contains(sharedParents, "\n"+base+"\n") || deep && strings.Contains(sharedParents, "."+base+"\n") {
		return "services of " + quoted(base) + " give names to anybody"
	}
	return ""
}

// sharedName is a pattern that allow_shared_suffix must allow.
type sharedName struct {
	pos       Position
	text, why string
}

// checkShared refuses patterns over shared suffixes that were read since the last call, unless the entry allows them.
func (r *reader) checkShared(allowed bool) {
	for _, name := range r.shared {
		if !allowed {
			r.problem(name.pos, "name the hosts, or set allow_shared_suffix: true in the entry", "%s allows strangers' hosts: %s", quoted(name.text), name.why)
		}
	}
	r.shared = nil
}
