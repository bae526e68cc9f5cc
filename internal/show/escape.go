package show

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Escape returns text with everything that could deceive a reader or drive a terminal written as a Go escape:
// control characters, the bytes of invalid UTF-8, and every character that is invisible or turns the direction of text.
// A backslash is doubled, so that different texts never look the same. The result is printable UTF-8 on one line.
func Escape(text string) string {
	for i := range len(text) {
		if !plain(text[i]) {
			return string(appendEscaped(nil, text))
		}
	}
	return text
}

// Message makes a message of several lines safe for a terminal. Line breaks and backslashes stay as they are: it is for
// prose in which names have been escaped already, or never were; only Escape tells every two texts apart.
func Message(text string) string {
	var out []byte
	for i, l := range strings.Split(text, "\n") {
		if i > 0 {
			out = append(out, '\n')
		}
		for j, part := range strings.Split(l, `\`) {
			if j > 0 {
				out = append(out, '\\')
			}
			out = appendEscaped(out, part)
		}
	}
	return string(out)
}

// plain reports whether a byte stands for itself at any place in a text.
func plain(c byte) bool { return c >= ' ' && c < 0x7f && c != '\\' }

func appendEscaped(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		if plain(text[i]) {
			dst = append(dst, text[i])
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = appendByteEscape(dst, text[i])
		case visible(r) && r != '\\':
			dst = append(dst, text[i:i+size]...)
		default:
			dst = appendRuneEscape(dst, r)
		}
		i += size
	}
	return dst
}

// visible reports whether a character shows as itself. The default-ignorable letters and the variation selectors are
// printable by Unicode's classes, yet nothing of them can be seen.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func appendRuneEscape(dst []byte, r rune) []byte {
	switch r {
	case '\\':
		return append(dst, `\\`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	switch {
	case r < utf8.RuneSelf:
		return appendByteEscape(dst, byte(r))
	case r <= 0xffff:
		return appendUnit(append(dst, `\u`...), r)
	default:
		dst = appendUnit(append(dst, `\U`...), r>>16)
		return appendUnit(dst, r&0xffff)
	}
}

func appendByteEscape(dst []byte, c byte) []byte {
	return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// appendUnit writes the low 16 bits as four digits.
func appendUnit(dst []byte, r rune) []byte {
	return append(dst, hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
