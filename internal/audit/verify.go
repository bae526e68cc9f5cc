package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stockade-security/stockade/event"
)

// Report is what Verify found.
type Report struct {
	// Files are those read, oldest first.
	Files []string `json:"files"`
	// Records counts the records read; First and Last are the numbers of the oldest and the newest, LastHash the newest's hash.
	Records  uint64 `json:"records"`
	First    uint64 `json:"first_seq"`
	Last     uint64 `json:"last_seq"`
	LastHash string `json:"last_hash"`
	// Deleted counts the records before First, which retention removed and recorded.
	Deleted uint64 `json:"deleted"`
	// Lost is the sum of the log's loss records.
	Lost uint64 `json:"lost"`
	// Torn counts the texts that a crash or a full disk cut off and that a record accounts for.
	Torn int `json:"torn"`
	// TornTailBytes is the length of such a text at the very end, which the log will account for when it goes on.
	TornTailBytes int64 `json:"torn_tail_bytes"`
	// Problems are at most MaxProblems; MoreProblems counts the rest.
	Problems     []Problem `json:"problems"`
	MoreProblems int       `json:"more_problems,omitempty"`
}

// MaxProblems bounds Report.Problems.
const MaxProblems = 100

// Problem is a place where the log is not what was written.
type Problem struct {
	// Kind is altered, missing, reordered, unreadable or restarted.
	Kind string `json:"kind"`
	File string `json:"file"`
	// Line counts from 1.
	Line   int    `json:"line"`
	Detail string `json:"detail"`
}

// OK reports whether the chain holds.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// Verify checks the chain of hashes over the log at path and its rotated files. The log may be in use meanwhile. The
// error is about reading; what is wrong with the content is in the Report. A change of the newest record, or records
// missing at the end, cannot be seen from the log alone: compare Last and LastHash with a note kept elsewhere.
func Verify(path string) (Report, error) {
	dir, base := filepath.Split(path)
	parts := series{dir: filepath.Clean(dir), stem: strings.TrimSuffix(base, plainExt)}
	v := verifier{deleted: make(map[string]bool)}
	// The current file is opened first: if it is rotated from here on, it is still this one.
	current, err := os.Open(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return v.report, fmt.Errorf("verify audit log: %w", err)
	}
	first := ^uint64(0)
	if err == nil {
		defer current.Close()
		if r, err := readStart(current); err == nil && r != nil {
			first = r.Seq
		}
	}
	rotated, err := parts.list()
	if err != nil {
		return v.report, fmt.Errorf("verify audit log: %w", err)
	}
	for _, p := range rotated {
		if p.number < first {
			if err := v.part(parts, p); err != nil {
				return v.report, err
			}
		}
	}
	if current != nil {
		if err := v.file(filepath.Base(path), current, false); err != nil {
			return v.report, err
		}
	}
	if len(v.report.Files) == 0 {
		return v.report, fmt.Errorf("verify audit log %s: %w", path, fs.ErrNotExist)
	}
	v.end()
	return v.report, nil
}

// verifier walks the lines of a log.
type verifier struct {
	report Report
	last   link
	// before is the place in front of the oldest record, predecessor the rotated file that ended there.
	before      link
	predecessor string
	// deleted holds the names of the files that retention recorded as deleted.
	deleted map[string]bool
	// torn is the length of the text since the last record; tornAt, set while there is such text, is where it starts.
	torn   int64
	tornAt *Problem
}

// part reads a rotated file, which may be packed or deleted at any moment.
func (v *verifier) part(s series, p part) error {
	for _, name := range []string{p.file(), p.name + packedExt} {
		f, err := os.Open(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("verify audit log: %w", err)
		}
		return errors.Join(v.file(name, f, strings.HasSuffix(name, packedExt)), f.Close())
	}
	return nil
}

// file reads one file's lines. Damage to a packed file is a problem of the log, not an error.
func (v *verifier) file(name string, from io.Reader, packed bool) error {
	v.settleTorn(nil) // a text at the end of the file before has nothing behind it that accounts for it
	v.report.Files = append(v.report.Files, name)
	lines, err := newLines(from, packed)
	if err != nil {
		return fmt.Errorf("verify audit log: %w", err)
	}
	defer lines.Close()
	for n := 1; ; n++ {
		at := Problem{File: name, Line: n}
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			v.add(at, "unreadable", err.Error())
			return nil
		}
		v.line(at, line)
	}
}

func (v *verifier) line(at Problem, line []byte) {
	r, err := parseRecord(line)
	switch {
	case err == nil:
		v.settleTorn(r.Event.Guard)
		v.record(at, line, r)
	case v.tornAt == nil:
		at.Detail = err.Error()
		v.tornAt, v.torn = &at, int64(len(line))
	default:
		v.torn += int64(len(line)) + 1
	}
}

func (v *verifier) record(at Problem, line []byte, r *Record) {
	v.report.Records++
	switch {
	case v.report.Records == 1:
		v.before = link{seq: r.Seq - 1, hash: r.PrevHash}
		v.report.First = r.Seq
	case r.Seq <= v.last.seq:
		v.add(at, "reordered", fmt.Sprintf("record %d stands after record %d", r.Seq, v.last.seq))
		return
	case r.PrevHash == "":
		v.add(at, "restarted", fmt.Sprintf("the chain starts again at record %d, after record %d", r.Seq, v.last.seq))
	case r.Seq > v.last.seq+1:
		v.add(at, "missing", fmt.Sprintf("records %d to %d", v.last.seq+1, r.Seq-1))
	case r.PrevHash != v.last.hash:
		v.add(at, "altered", fmt.Sprintf("record %d is not the one that record %d was written after", v.last.seq, r.Seq))
	}
	v.last = link{seq: r.Seq - 1}.after(line)
	v.note(r.Event)
}

// note remembers what the log says about itself.
func (v *verifier) note(e *event.Event) {
	switch {
	case e.Kind == event.KindLoss && e.Loss != nil:
		v.report.Lost += e.Loss.Records
	case e.Kind != event.KindRetention || e.Guard == nil:
	case e.Guard.Action == "delete":
		v.deleted[trimExt(e.Guard.Detail)] = true
	case e.Guard.Action == "rotate" && v.predecessor == "" && len(v.report.Files) == 1:
		v.predecessor = trimExt(e.Guard.Detail)
	}
}

// settleTorn decides about the text before a record, whose guard detail accounts for it or does not.
func (v *verifier) settleTorn(g *event.Guard) {
	if v.tornAt == nil {
		return
	}
	switch {
	case v.torn == 0: // an empty line
	case g != nil && g.Action == "torn" && g.Bytes == v.torn:
		v.report.Torn++
	default:
		v.add(*v.tornAt, "unreadable", v.tornAt.Detail)
	}
	v.tornAt = nil
}

// end judges what only the whole log shows.
func (v *verifier) end() {
	if v.tornAt != nil {
		v.report.TornTailBytes = v.torn
	}
	v.report.Last, v.report.LastHash = v.last.seq, v.last.hash
	if v.before == (link{}) {
		return
	}
	if v.predecessor != "" && v.deleted[v.predecessor] {
		v.report.Deleted = v.before.seq
		return
	}
	detail := fmt.Sprintf("the %d records before record %d, whose deletion no record explains", v.before.seq, v.report.First)
	v.add(Problem{File: v.report.Files[0], Line: 1}, "missing", detail)
}

func (v *verifier) add(at Problem, kind, detail string) {
	if len(v.report.Problems) == MaxProblems {
		v.report.MoreProblems++
		return
	}
	at.Kind, at.Detail = kind, detail
	v.report.Problems = append(v.report.Problems, at)
}
