package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/stockade-security/stockade/event"
)

// ReplayReport is what Replay read and what it could not.
type ReplayReport struct {
	Segments int    `json:"segments"`
	Events   uint64 `json:"events"`
	// Problems are the segments that were not read to their end: torn by a crash, damaged, of a later version, or deleted meanwhile.
	Problems []SegmentProblem `json:"problems"`
}

// SegmentProblem is where the reading of a segment ended before its time.
type SegmentProblem struct {
	Segment string `json:"segment"`
	// Torn: the segment stops in the middle of a frame, as after a crash or while it is being written.
	Torn   bool   `json:"torn"`
	Detail string `json:"detail"`
}

// errStop wraps an error of Replay's caller.
type errStop struct{ error }

func (e errStop) Unwrap() error { return e.error }

// Replay hands the events of the segments in dir to each, in the order in which they were appended. Events of one
// process version in one segment share its Process. What each keeps is its own. A segment that ends too early gives what
// comes before that and a problem in the report; an error of each ends the replay and is returned.
func Replay(dir string, each func(*event.Event) error) (ReplayReport, error) {
	var report ReplayReport
	parts := series{dir: dir, stem: segmentStem}
	list, err := parts.list()
	if err != nil {
		return report, fmt.Errorf("replay: %w", err)
	}
	for _, p := range list {
		if !p.packed {
			continue
		}
		name := p.name + packedExt
		report.Segments++
		lines, err := openLines(parts.path(name), true)
		if err == nil {
			err = errors.Join(replaySegment(lines, &report.Events, each), lines.Close())
		}
		var stop errStop
		switch {
		case errors.As(err, &stop):
			return report, stop.error
		case errors.Is(err, fs.ErrPermission):
			return report, fmt.Errorf("replay: %w", err)
		case err != nil:
			report.Problems = append(report.Problems, SegmentProblem{name, errors.Is(err, io.ErrUnexpectedEOF), err.Error()})
		}
	}
	return report, nil
}

// replaySegment reads the lines of one segment.
func replaySegment(lines *lineReader, count *uint64, each func(*event.Event) error) error {
	known := make(map[uint64]*event.Process)
	var current uint64
	for n := 1; ; n++ {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case lines.midline:
			return fmt.Errorf("line %d: %w", n, io.ErrUnexpectedEOF)
		case bytes.HasPrefix(line, []byte(headerStart)):
			err = checkHeader(line)
		case bytes.HasPrefix(line, []byte(definitionStart)):
			current, err = learn(line, current, known)
		default:
			err = replayEvent(line, known, each)
			if err == nil {
				*count++
			}
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

func checkHeader(line []byte) error {
	var h segmentHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return fmt.Errorf("parse header: %w", err)
	}
	if h.Schema > event.Schema {
		return fmt.Errorf("schema %d is of a later version", h.Schema)
	}
	return nil
}

// learn takes a definition in, and forgets the earlier generations when a new one starts.
func learn(line []byte, current uint64, known map[uint64]*event.Process) (uint64, error) {
	var d definition
	if err := json.Unmarshal(line, &d); err != nil {
		return current, fmt.Errorf("parse process: %w", err)
	}
	if d.Define == 0 || d.Process == nil {
		return current, errors.New("parse process: no number or no process")
	}
	if of := (d.Define - 1) / generation; of != current {
		current = of
		clear(known)
	}
	known[d.Define] = d.Process
	return current, nil
}

func replayEvent(line []byte, known map[uint64]*event.Process, each func(*event.Event) error) error {
	e := segmentEvent{Event: new(event.Event)}
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("parse event: %w", err)
	}
	if e.Process != 0 {
		if e.Event.Process = known[e.Process]; e.Event.Process == nil {
			return fmt.Errorf("parse event: process %d is not defined", e.Process)
		}
	}
	if err := each(e.Event); err != nil {
		return errStop{err}
	}
	return nil
}
