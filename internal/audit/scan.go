package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
)

// ScanReport is what Scan read and what it could not.
type ScanReport struct {
	Files  int    `json:"files"`
	Events uint64 `json:"events"`
	// Records is how many of the events are from audit logs, which hold decisions and acts of the guard, not all events.
	Records uint64 `json:"audit_records"`
	// BadLines is how many lines were no event and nothing else that belongs in such a file.
	BadLines uint64 `json:"bad_lines"`
	// Problems names the bad lines, at most maxBadLines of them, and each file that was not read to its end: torn by a crash,
	// damaged, of a later version, or deleted meanwhile.
	Problems []ScanProblem `json:"problems"`
}

// ScanProblem is a line that could not be read.
type ScanProblem struct {
	File string `json:"file"`
	// Line counts from 1; 0 if the file could not be opened.
	Line int `json:"line"`
	// Torn: the file stops in the middle of this line, as after a crash or while it is being written.
	Torn bool `json:"torn"`
	// Ends: nothing of the file was read from this line on.
	Ends   bool   `json:"ends"`
	Detail string `json:"detail"`
}

const (
	// maxBadLines is how many bad lines a report names.
	maxBadLines = 20
	// progressBytes is how much is read between two reports of progress.
	progressBytes = 1 << 20
	// maxKnown bounds how many processes a scan keeps for lines that repeat them.
	maxKnown = 1 << 14
)

// errStop wraps an error of Scan's caller.
type errStop struct{ error }

func (e errStop) Unwrap() error { return e.error }

// Scan hands events to each in the order in which they were recorded. path is a directory of segments, the directory of
// an audit log, or one file: a segment, an audit log, or lines of events as `stockade run -o json` writes them, plain or
// packed. It goes on behind a line that it cannot read, and with the next file where it cannot read one to its end.
// Events of one process version in one segment share its Process, and so may events of other files: they must not be
// changed; each may keep them. An error of each ends the scan and is returned. progress, if not nil, hears how many of
// how many bytes have been read.
func Scan(path string, progress func(done, total int64), each func(*event.Event) error) (ScanReport, error) {
	s := scanner{each: each, progress: progress}
	files, err := scanFiles(path)
	if err != nil {
		return s.report, fmt.Errorf("scan %s: %w", path, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil { // else opening it says why not
			s.total += info.Size()
		}
	}
	for _, f := range files {
		if err := s.file(f); err != nil {
			return s.report, err
		}
	}
	return s.report, nil
}

// scanFiles lists what to read, oldest first. A file that was being packed when the guard died is there in both forms.
func scanFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, ext := range []string{plainExt, packedExt} {
		found, err := fs.Glob(os.DirFS(path), "*"+ext)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			f = filepath.Join(path, f)
			if ext == plainExt || !slices.Contains(files, trimExt(f)+plainExt) {
				files = append(files, f)
			}
		}
	}
	if len(files) == 0 {
		return nil, errors.New("it holds neither segments nor an audit log")
	}
	slices.SortFunc(files, byAge)
	return files, nil
}

// byAge orders the files of a series by their numbers, because clocks are set back.
func byAge(a, b string) int {
	stemA, numberA := ageOf(a)
	stemB, numberB := ageOf(b)
	return cmp.Or(strings.Compare(stemA, stemB), cmp.Compare(numberA, numberB), strings.Compare(a, b))
}

// ageOf gives the series that a file belongs to, and its number there. A log itself is the last of its rotated files.
func ageOf(path string) (stem string, number uint64) {
	file := filepath.Base(path)
	parts := strings.Split(trimExt(file), "-")
	stem = strings.Join(parts[:max(0, len(parts)-2)], "-")
	if _, number, ok := (series{stem: stem}).parse(file); ok {
		return stem, number
	}
	return trimExt(file), math.MaxUint64
}

// scanner is one Scan.
type scanner struct {
	each     func(*event.Event) error
	progress func(done, total int64)
	report   ScanReport

	done, told, total int64
	// defined holds the processes of a segment by number, known those of whole events by their text.
	defined    map[uint64]*event.Process
	generation uint64
	known      map[string]*event.Process
}

// Read counts what the file gives.
type countedReader struct {
	from io.Reader
	s    *scanner
}

func (r countedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.s.done += int64(n)
	if r.s.progress != nil && (r.s.done-r.s.told >= progressBytes || r.s.done == r.s.total) {
		r.s.told = r.s.done
		r.s.progress(r.s.done, r.s.total)
	}
	return n, err
}

// file reads one file. Only an error of each, or of permission, is returned.
func (s *scanner) file(path string) error {
	s.report.Files++
	s.defined, s.generation = make(map[uint64]*event.Process), 0
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("scan: %w", err)
	}
	if err != nil {
		s.ends(path, 0, err)
		return nil
	}
	defer f.Close()
	lines, err := newLines(countedReader{f, s}, strings.HasSuffix(path, ".zst"))
	if err != nil {
		s.ends(path, 0, err)
		return nil
	}
	defer lines.Close()
	for n := 1; ; n++ {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			s.ends(path, n, err)
			return nil
		}
		err = s.line(line)
		if stop := (errStop{}); errors.As(err, &stop) {
			return stop.error
		}
		if errors.Is(err, errLaterVersion) {
			s.ends(path, n, err)
			return nil
		}
		if err != nil {
			s.bad(ScanProblem{File: path, Line: n, Torn: lines.midline, Detail: err.Error()})
		}
	}
}

// ends notes that a file was not read from a line on.
func (s *scanner) ends(path string, line int, err error) {
	torn := errors.Is(err, io.ErrUnexpectedEOF)
	s.report.Problems = append(s.report.Problems, ScanProblem{File: path, Line: line, Torn: torn, Ends: true, Detail: err.Error()})
}

// bad counts a line that could not be read, and names it if there are not too many.
func (s *scanner) bad(p ScanProblem) {
	if s.report.BadLines++; s.report.BadLines <= maxBadLines {
		s.report.Problems = append(s.report.Problems, p)
	}
}

var errLaterVersion = errors.New("it is of a later version")

// line reads one line of any of the forms.
func (s *scanner) line(line []byte) error {
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		return nil
	case bytes.HasPrefix(line, []byte(definitionStart)):
		return s.define(line)
	case bytes.HasPrefix(line, []byte(headerStart)):
		return s.wrapped(line)
	}
	return s.event(line)
}

// define takes a definition in, and forgets the earlier generations when a new one starts.
func (s *scanner) define(line []byte) error {
	var d definition
	if err := json.Unmarshal(line, &d); err != nil {
		return fmt.Errorf("parse process: %w", err)
	}
	if d.Define == 0 || d.Process == nil {
		return errors.New("parse process: no number or no process")
	}
	if of := (d.Define - 1) / generation; of != s.generation {
		s.generation = of
		clear(s.defined)
	}
	s.defined[d.Define] = d.Process
	return nil
}

// wrapped reads a record of the audit log, or a segment's header, which has no event.
func (s *scanner) wrapped(line []byte) error {
	var schema int
	var inner []byte
	err := splitObject(line, func(name, value []byte) error {
		switch string(name) {
		case "schema":
			return json.Unmarshal(value, &schema)
		case "event":
			inner = value
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case schema > event.Schema:
		return fmt.Errorf("schema %d: %w", schema, errLaterVersion)
	case inner == nil:
		return nil
	}
	before := s.report.Events
	err = s.event(inner)
	s.report.Records += s.report.Events - before
	return err
}
