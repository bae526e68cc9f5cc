package identity

import "strings"

// tokenForm is a secret that shows itself: a prefix and at least so many bytes of its alphabet.
type tokenForm struct {
	prefix string
	least  int
}

// tokenForms come from the issuers' documentation. Bytes are letters, digits, _ and -.
var tokenForms = [...]tokenForm{
	{"ghp_", 20},
	{"gho_", 20},
	{"ghu_", 20},
	{"ghs_", 20},
	{"ghr_", 20},
	{"github_pat_", 20},
	{"glpat-", 16},
	{"AKIA", 16},
	{"ASIA", 16},
	{"AIza", 30},
	{"xoxb-", 10},
	{"xoxp-", 10},
	{"xoxa-", 10},
	{"xoxr-", 10},
	{"xoxs-", 10},
	{"sk_live_", 16},
	{"rk_live_", 16},
	{"sk-", 32},
	{"npm_", 30},
	{"hvs.", 20},
	{"dop_v1_", 32},
	{"pypi-", 50},
}

// tokenAt returns the bounds of the secret that starts right at i, by its form alone.
func tokenAt(s string, i int) (lo, hi int) {
	switch s[i] {
	case '-':
		return privateKeyAt(s, i)
	case 'e':
		return jwtAt(s, i)
	case 'B', 'b':
		return bearerAt(s, i)
	case 'g', 'A', 'x', 's', 'r', 'n', 'h', 'd', 'p':
	default:
		return 0, 0
	}
	rest := s[i:]
	for _, f := range tokenForms {
		if !strings.HasPrefix(rest, f.prefix) {
			continue
		}
		if n := tokenLength(rest[len(f.prefix):]); n >= f.least {
			return i, i + len(f.prefix) + n
		}
	}
	return 0, 0
}

// tokenLength counts the bytes of base64url at the start of s.
func tokenLength(s string) int {
	n := 0
	for n < len(s) && isKeyByte(s[n]) && s[n] != '.' {
		n++
	}
	return n
}

// jwtAt finds header.payload.signature, RFC 7519: the header is JSON, so it starts with eyJ.
func jwtAt(s string, i int) (lo, hi int) {
	if !strings.HasPrefix(s[i:], "eyJ") {
		return 0, 0
	}
	head := i + tokenLength(s[i:])
	if head-i < 10 || head >= len(s) || s[head] != '.' {
		return 0, 0
	}
	body := head + 1 + tokenLength(s[head+1:])
	if body == head+1 || body >= len(s) || s[body] != '.' {
		return 0, 0
	}
	return i, body + 1 + tokenLength(s[body+1:])
}

// bearerAt finds RFC 6750's header value wherever it stands.
func bearerAt(s string, i int) (lo, hi int) {
	const scheme = "bearer "
	if len(s)-i < len(scheme) || !strings.EqualFold(s[i:i+len(scheme)], scheme) {
		return 0, 0
	}
	lo = i + len(scheme)
	n := strings.IndexAny(s[lo:], " \t\n\"',;")
	if n < 0 {
		n = len(s) - lo
	}
	if n < 8 {
		return 0, 0
	}
	return lo, lo + n
}

// privateKeyAt finds a PEM private key; one that is cut off reaches to the end.
func privateKeyAt(s string, i int) (lo, hi int) {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	if !strings.HasPrefix(s[i:], begin) {
		return 0, 0
	}
	label, _, ok := strings.Cut(s[i+len(begin):], dashes)
	if !ok || !strings.HasSuffix(label, "PRIVATE KEY") || len(label) > 40 {
		return 0, 0
	}
	lo = i + len(begin) + len(label) + len(dashes)
	stop := strings.Index(s[lo:], end)
	if stop < 0 {
		return lo, len(s)
	}
	return lo, lo + stop
}
