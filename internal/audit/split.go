package audit

import (
	"bytes"
	"errors"
)

var errNotObject = errors.New("not a whole JSON object")

// splitObject calls field with the name and the text of each value of a JSON object, in order. It looks at brackets and
// quotes only: who uses a value decodes it, and so finds what is wrong inside. A name with an escape in it stays as it is.
func splitObject(text []byte, field func(name, value []byte) error) error {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return errNotObject
	}
	if i = skipSpace(text, i+1); i < len(text) && text[i] == '}' {
		return onlySpace(text[i+1:])
	}
	for {
		start, end := i, skipString(text, i)
		if end < 0 {
			return errNotObject
		}
		if i = skipSpace(text, end); i == len(text) || text[i] != ':' {
			return errNotObject
		}
		value := skipSpace(text, i+1)
		if i = skipValue(text, value); i < 0 {
			return errNotObject
		}
		if err := field(text[start+1:end-1], text[value:i]); err != nil {
			return err
		}
		i = skipSpace(text, i)
		switch {
		case i == len(text):
			return errNotObject
		case text[i] == '}':
			return onlySpace(text[i+1:])
		case text[i] != ',':
			return errNotObject
		}
		i = skipSpace(text, i+1)
	}
}

func onlySpace(rest []byte) error {
	if skipSpace(rest, 0) != len(rest) {
		return errNotObject
	}
	return nil
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}

// skipString returns the end of the string that starts at i, or -1.
func skipString(text []byte, i int) int {
	if i >= len(text) || text[i] != '"' {
		return -1
	}
	for i++; ; {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return -1
		}
		end := i + n
		slashes := 0
		for text[end-1-slashes] == '\\' {
			slashes++
		}
		if i = end + 1; slashes%2 == 0 {
			return i
		}
	}
}

// skipValue returns the end of the value that starts at i, or -1.
func skipValue(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '{', '[':
		return skipNested(text, i)
	}
	start := i
	for i < len(text) && text[i] != ',' && text[i] != '}' && text[i] != ']' && text[i] > ' ' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

func skipNested(text []byte, i int) int {
	for depth := 0; i < len(text); {
		switch text[i] {
		case '"':
			if i = skipString(text, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
