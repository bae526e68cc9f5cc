package show

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/stockade-security/stockade/event"
)

type jsonWriter struct {
	out *bufio.Writer
	buf bytes.Buffer
	esc []byte
}

func (w *jsonWriter) Flush() error { return w.out.Flush() }

func (w *jsonWriter) Close() error { return w.out.Flush() }

func (w *jsonWriter) Write(e *event.Event) error {
	w.buf.Reset()
	enc := json.NewEncoder(&w.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	w.esc = appendSafeJSON(w.esc[:0], w.buf.Bytes())
	_, err := w.out.Write(w.esc)
	return err
}

// Document writes one value as indented JSON with every invisible character as an escape: for people and jq alike.
func Document(w io.Writer, value any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	if _, err := w.Write(appendSafeJSON(nil, buf.Bytes())); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// appendSafeJSON copies encoded JSON and writes every invisible character as \u escapes, which stand for the same text.
// encoding/json does so for ASCII controls only, and lets the C1 controls, DEL and all that turns text around pass.
// Such characters occur within strings alone, so the rest of the document stays as it is.
func appendSafeJSON(dst, src []byte) []byte {
	for len(src) > 0 {
		n := 0
		for n < len(src) && (src[n] >= ' ' && src[n] < 0x7f || src[n] == '\n') {
			n++
		}
		dst = append(dst, src[:n]...)
		if src = src[n:]; len(src) == 0 {
			break
		}
		r, size := utf8.DecodeRune(src)
		switch {
		case visible(r):
			dst = append(dst, src[:size]...)
		case r > 0xffff:
			dst = appendUnit(append(dst, `\u`...), 0xd800+(r-0x10000)>>10)
			dst = appendUnit(append(dst, `\u`...), 0xdc00+(r-0x10000)&0x3ff)
		default:
			dst = appendUnit(append(dst, `\u`...), r)
		}
		src = src[size:]
	}
	return dst
}
