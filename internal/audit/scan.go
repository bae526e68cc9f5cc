package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	// Problems names the bad lines, at most maxScanProblems of them, and the files that were not read to their end.
	Problems []ScanProblem `json:"problems"`
}

// ScanProblem is a line that could not be read.
type ScanProblem struct {
	File string `json:"file"`
	// Line counts from 1.
	Line int `json:"line"`
	// Torn: the file stops in the middle of this line, as after a crash or while it is being written.
	Torn   bool   `json:"torn"`
	Detail string `json:"detail"`
}

const (
	maxScanProblems = 20
	// progressBytes is how much is read between two reports of progress.
	progressBytes = 1 << 20
	// maxKnown bounds how many processes a scan keeps for lines that repeat them.
	maxKnown = 1 << 14
)

// Scan hands events to each in the order in which they were recorded, decoding several times as fast as Replay because
// it decodes a process once. path is a directory of segments, the directory of an audit log, or one file: a segment, an
// audit log, or lines of events as `stockade run -o json` writes them, plain or packed. Unlike Replay it goes on behind
// a line that it cannot read. Events share processes and must not be changed; each may keep them. An error of each ends
// the scan and is returned. progress, if not nil, hears how many of how many bytes have been read.
func Scan(path string, progress func(done, total int64), each func(*event.Event) error) (ScanReport, error) {
	s := scanner{each: each, progress: progress}
	files, err := scanFiles(path)
	if err != nil {
		return s.report, fmt.Errorf("scan %s: %w", path, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return s.report, fmt.Errorf("scan %s: %w", path, err)
		}
		s.total += info.Size()
	}
	for _, f := range files {
		if err := s.file(f); err != nil {
			return s.report, err
		}
	}
	return s.report, nil
}

// scanFiles lists what to read. In a directory the names of segments, and those of an audit log's rotated files and the
// log itself, sort by age. A file that was being packed when the guard died is there in both forms.
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
	slices.Sort(files)
	return files, nil
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
		s.problem(ScanProblem{File: path, Detail: err.Error()})
		return nil
	}
	defer f.Close()
	lines, err := newLines(countedReader{f, s}, strings.HasSuffix(path, ".zst"))
	if err != nil {
		s.problem(ScanProblem{File: path, Detail: err.Error()})
		return nil
	}
	defer lines.Close()
	for n := 1; ; n++ {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			s.problem(ScanProblem{File: path, Line: n, Torn: errors.Is(err, io.ErrUnexpectedEOF), Detail: err.Error()})
			return nil
		}
		err = s.line(line)
		if stop := (errStop{}); errors.As(err, &stop) {
			return stop.error
		}
		if err != nil {
			s.report.BadLines++
			s.problem(ScanProblem{File: path, Line: n, Torn: lines.midline, Detail: err.Error()})
		}
		if errors.Is(err, errLaterVersion) {
			return nil
		}
	}
}

func (s *scanner) problem(p ScanProblem) {
	if len(s.report.Problems) < maxScanProblems {
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
		of, err := learn(line, s.generation, s.defined)
		s.generation = of
		return err
	case bytes.HasPrefix(line, []byte(headerStart)):
		return s.wrapped(line)
	}
	return s.event(line)
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
