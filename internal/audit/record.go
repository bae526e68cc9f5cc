package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stockade-security/stockade/event"
)

// Record is one line of the audit log.
type Record struct {
	// Schema is event.Schema of the guard that wrote it.
	Schema int `json:"schema"`
	// ID is the event's.
	ID     string `json:"id"`
	Host   string `json:"host"`
	BootID string `json:"boot_id"`
	// Seq numbers the records of one log from 1, without gaps, over restarts and rotated files.
	Seq uint64 `json:"seq"`
	// PolicyDigest names the policy that was in force when the event was handed over.
	PolicyDigest string `json:"policy_digest"`
	// PrevHash is the SHA-256 of the line before, without its newline, in hex; empty in a log's first record.
	PrevHash string       `json:"prev_hash"`
	Event    *event.Event `json:"event"`
}

const (
	// recordStart is how every record starts; a file that starts otherwise is not an audit log.
	recordStart = `{"schema":`
	// maxLine bounds a line on writing and on reading, in bytes.
	maxLine = 16 << 20
)

var errLineTooLong = errors.New("line is too long")

// link is a record's place in the chain.
type link struct {
	seq  uint64
	hash string
}

// after returns the link of a line that follows l.
func (l link) after(line []byte) link {
	sum := sha256.Sum256(line)
	return link{seq: l.seq + 1, hash: hex.EncodeToString(sum[:])}
}

// appendRecord appends the record's line to dst, without a newline.
func appendRecord(dst []byte, r *Record) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return dst, fmt.Errorf("encode record: %w", err)
	}
	if buf.Len() > maxLine {
		return dst, fmt.Errorf("encode record: %w", errLineTooLong)
	}
	return appendVisible(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// appendVisible appends JSON text to dst with what a terminal might obey, or show in another order, written as \u escapes:
// encoding/json leaves DEL, the C1 controls and Unicode's format characters as they are. Outside strings JSON is printable ASCII.
func appendVisible(dst, text []byte) []byte {
	for len(text) > 0 {
		n := bytes.IndexFunc(text, func(r rune) bool { return r >= 0x7f && unicode.In(r, unicode.Cc, unicode.Cf) })
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n]...)
		r, size := utf8.DecodeRune(text[n:])
		for _, unit := range utf16.AppendRune(nil, r) {
			dst = fmt.Appendf(dst, `\u%04x`, unit)
		}
		text = text[n+size:]
	}
	return dst
}

// parseRecord reads one line. A record that was cut short anywhere is an error.
func parseRecord(line []byte) (*Record, error) {
	if !bytes.HasPrefix(line, []byte(recordStart)) {
		return nil, errors.New("not an audit record")
	}
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("parse record: %w", err)
	}
	if r.Schema < 1 || r.Seq < 1 || r.Event == nil {
		return nil, errors.New("not an audit record")
	}
	return &r, nil
}
