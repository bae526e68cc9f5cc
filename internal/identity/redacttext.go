package identity

import "strings"

// Text returns s without the secrets that can be told by their form or by the name before them.
func (r *Redactor) Text(s string) string { return r.text(s, false) }

// text does it; whole says that s is one argument, so that in key=value everything after the sign is the value.
func (r *Redactor) text(s string, whole bool) string {
	lo, hi := r.secret(s, 0, whole)
	if lo == hi {
		return s
	}
	var b strings.Builder
	done := 0
	for lo < hi {
		b.WriteString(s[done:lo])
		b.WriteString(Redacted)
		done = hi
		lo, hi = r.secret(s, done, whole)
	}
	b.WriteString(s[done:])
	return b.String()
}

// secret returns the bounds of the first secret that starts at from or later; equal: there is none.
func (r *Redactor) secret(s string, from int, whole bool) (lo, hi int) {
	for i := from; i < len(s); i++ {
		switch c := s[i]; c {
		case '=':
			lo, hi = r.assigned(s, from, i, whole)
		case ':':
			if strings.HasPrefix(s[i:], "://") {
				lo, hi = urlSecret(s, i+3)
			} else {
				lo, hi = r.named(s, from, i)
			}
		default:
			if i == 0 || !isKeyByte(s[i-1]) || c == '-' {
				lo, hi = tokenAt(s, i)
			}
		}
		if lo < hi && lo >= from && s[lo:hi] != Redacted {
			return lo, hi
		}
	}
	return 0, 0
}

// assigned is the value of KEY=value with the sign at i.
func (r *Redactor) assigned(s string, from, i int, whole bool) (lo, hi int) {
	key, start := keyBefore(s, from, i)
	if !r.isSecretKey(key) {
		return 0, 0
	}
	if whole && strings.Trim(s[:start], "-") == "" {
		lo, hi = i+1, len(s)
	} else {
		lo, hi = value(s, i+1, " \t\n&;,|)}]\"'")
	}
	if lo < hi && s[lo] == '$' && !strings.HasPrefix(s[lo:hi], "$(") {
		return 0, 0 // a variable's name
	}
	return lo, hi
}

// named is the value of a header, or of "key": value, with the colon at i.
func (r *Redactor) named(s string, from, i int) (lo, hi int) {
	key, start := keyBefore(s, from, i)
	header := isSecretHeader(key)
	if !header && !r.isSecretKey(key) {
		return 0, 0
	}
	quoted := i > 0 && (s[i-1] == '"' || s[i-1] == '\'')
	if !header && !quoted && (i+1 >= len(s) || !strings.ContainsRune(" \"'", rune(s[i+1]))) {
		return 0, 0 // an image's tag, a volume
	}
	at := i + 1
	for at < len(s) && s[at] == ' ' {
		at++
	}
	if !header {
		return value(s, at, " \t\n,;}]\"'")
	}
	if start == 0 {
		lo, hi = at, len(s)
	} else {
		lo, hi = value(s, at, "\n\"'")
	}
	// The scheme of an Authorization stays.
	if isSchemeName(s[lo:hi]) {
		return 0, 0
	}
	if scheme, rest, ok := strings.Cut(s[lo:hi], " "); ok && rest != "" && len(scheme) <= 10 && isSchemeName(scheme) {
		lo += len(scheme) + 1
	}
	return lo, hi
}

func isSchemeName(s string) bool {
	for _, n := range [...]string{"bearer", "basic", "token", "digest", "negotiate", "apikey"} {
		if strings.EqualFold(s, n) {
			return true
		}
	}
	return false
}

// value returns the bounds of a value at the given place: up to the closing quote, else up to one of stop.
func value(s string, at int, stop string) (lo, hi int) {
	if at < len(s) && s[at] == '\\' {
		at++
	}
	if at < len(s) && (s[at] == '"' || s[at] == '\'') {
		quote := s[at]
		for hi = at + 1; hi < len(s) && s[hi] != quote; hi++ {
			if s[hi] == '\\' && hi+1 < len(s) && s[hi+1] != quote {
				hi++
			}
		}
		return at + 1, hi
	}
	if n := strings.IndexAny(s[at:], stop); n >= 0 {
		return at, at + n
	}
	return at, len(s)
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// keyBefore returns the name that ends before i, where quotes, blanks and an index's bracket may stand between, and its start.
// A name that follows a slash is part of a path.
func keyBefore(s string, from, i int) (key string, start int) {
	end := i
	for end > from && (s[end-1] == ' ' || s[end-1] == '"' || s[end-1] == '\'' || s[end-1] == '\\' || s[end-1] == ']') {
		end--
	}
	for start = end; start > from && isKeyByte(s[start-1]); start-- {
	}
	if start > 0 && s[start-1] == '/' {
		return "", start
	}
	full := start
	for start < end && s[start] == '-' {
		start++
	}
	return s[start:end], full
}

// secretEndings are what names of secrets end in; _, - and . are the same. Those with a dash first must be a word.
var secretEndings = [...]string{
	"password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "api-key", "accesskey", "access-key",
	"secretkey", "secret-key", "privatekey", "private-key", "encryptionkey", "encryption-key", "signing-key",
	"accountkey", "account-key", "master-key", "auth-key", "authkey", "credential", "credentials", "sshpass",
	"rediscli-auth", "-pass", "-pwd", "-psk", "-pat",
}

// isSecretKey says whether a value of that name is a secret.
func (r *Redactor) isSecretKey(key string) bool {
	if key == "" {
		return false
	}
	for _, e := range secretEndings {
		if endsIn(key, e) {
			return true
		}
	}
	if strings.EqualFold(key, "pass") || strings.EqualFold(key, "psk") {
		return true
	}
	for _, k := range r.Keys {
		if strings.EqualFold(key, k) {
			return true
		}
	}
	return false
}

func endsIn(key, ending string) bool {
	if len(key) < len(ending) {
		return false
	}
	tail := key[len(key)-len(ending):]
	for i := len(ending) - 1; i >= 0; i-- { // most names differ in the last letter
		c := tail[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '_' || c == '.':
			c = '-'
		}
		if c != ending[i] {
			return false
		}
	}
	return true
}

func isSecretHeader(key string) bool {
	for _, h := range [...]string{"authorization", "proxy-authorization", "cookie", "set-cookie", "private-token", "x-api-key", "x-auth-token"} {
		if strings.EqualFold(key, h) {
			return true
		}
	}
	return false
}

// urlSecret is the password in user:password@host, or the whole of user@host where that is long enough for a token.
func urlSecret(s string, at int) (lo, hi int) {
	authority := s[at:]
	if n := strings.IndexAny(authority, "/?# \t\n\"'"); n >= 0 {
		authority = authority[:n]
	}
	end := strings.LastIndexByte(authority, '@')
	if end < 0 {
		return 0, 0
	}
	if colon := strings.IndexByte(authority[:end], ':'); colon >= 0 {
		return at + colon + 1, at + end
	}
	if end >= 20 {
		return at, at + end
	}
	return 0, 0
}
