package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/goccy/go-yaml/ast"
)

// Bounds on the size of a policy.
const (
	// MaxBytes is the size of the largest policy file.
	MaxBytes = 1 << 20
	maxTotal = 4 * MaxBytes // of a file and all that it includes
)

// source is a file of a policy.
type source struct {
	name string
	// info tells the file apart from others, whatever its name; nil for text without a file.
	info os.FileInfo
}

// Load reads the policy file at path, and the files that it includes. The error is a *Problems if the file at path could
// be read. Positions name each file by path, or by how it is found from there.
func Load(path string) (*Policy, error) {
	src, text, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("load policy: %w", err)
	}
	return read(src, text)
}

// Parse reads the text of a policy file that includes no other; name is what problems and rules call it. The error is a
// *Problems.
func Parse(name string, text []byte) (*Policy, error) { return read(source{name: name}, text) }

// readFile reads one byte more than a policy may have, to tell that there is more.
func readFile(path string) (source, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return source{}, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return source{}, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	return source{path, info}, text, err
}

// read turns the first file's text into a policy.
func read(src source, text []byte) (*Policy, error) {
	b := newBook()
	p := &Policy{Name: src.name, Version: "1.0", Mode: ModeAudit, BreakGlass: BreakGlassStandard}
	b.file(src, text, nil, p)
	if len(b.problems) == 0 {
		b.fillResolvers(p)
		b.checkAlerts(p)
		b.checkWhole(p)
	}
	if len(b.problems) > 0 {
		return nil, b.failure()
	}
	p.digest = digest(p)
	b.warnPolicy(p)
	p.warnings = b.caution()
	return p, nil
}

// file reads one file into p; from is the reader of the file that includes it.
func (b *book) file(src source, text []byte, from *reader, p *Policy) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	b.files = append(b.files, src)
	b.room -= len(text)
	r := &reader{book: b, source: src, anchors: map[string]ast.Node{}, from: from}
	problems := len(b.problems)
	if body := r.document(text); len(b.problems) == problems {
		decode(r, body, policySection(), p)
	}
}

// reason is why a file cannot be read, without its name.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
