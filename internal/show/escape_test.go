package show

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	tests := map[string]string{
		"":                "",
		"/usr/bin/env -i": "/usr/bin/env -i",
		"grün 日本":         "grün 日本",
		"\x1b[2J":         `\x1b[2J`,
		"a\nb\r\t\x00":    `a\nb\r\t\x00`,
		"\u202egpj.exe":   `\u202egpj.exe`,
		"\u009b31m":       `\u009b31m`,
		"a\xff\xfeb":      `a\xff\xfeb`,
		"\ufffd":          "\ufffd",
		"a\u200bb\u00ad":  `a\u200bb\u00ad`,
		"\u3164\ufe0f":    `\u3164\ufe0f`,
		"\U000e0041":      `\U000e0041`,
		`C:\x1b`:          `C:\\x1b`,
		"\x7f":            `\x7f`,
	}
	for text, want := range tests {
		if got := Escape(text); got != want {
			t.Errorf("Escape(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestMessage(t *testing.T) {
	const text = "open \u202e\\x1b:\n  hint: a\x1b[0m\tb\r\n"
	if got, want := Message(text), "open \\u202e\\x1b:\n  hint: a\\x1b[0m\\tb\\r\n"; got != want {
		t.Errorf("Message = %q, want %q", got, want)
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", hostile, `\`, "\xed\xa0\x80", "é\"", strings.Repeat("\u202e", 10)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Escape(text)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if !visible(r) {
				t.Fatalf("%U of %q is not visible", r, text)
			}
		}
		// The escapes are Go's, so Go can say whether a different text could have led to the same.
		back, err := strconv.Unquote(`"` + strings.ReplaceAll(got, `"`, `\"`) + `"`)
		if err != nil || back != text {
			t.Fatalf("%q reads back as %q, %v", text, back, err)
		}
	})
}

func FuzzSafeJSON(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, text string) {
		quoted := strconv.AppendQuote(nil, text)
		for _, r := range string(appendSafeJSON(nil, quoted)) {
			if !visible(r) && r != '\n' {
				t.Fatalf("%U of %q is not visible", r, text)
			}
		}
	})
}
