package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/stockade-security/stockade/event"
)

// A segment is a file of zstd frames. Their text is JSON lines of three forms, told apart by how they start: a header,
// once, first; a definition, before the first event of each version of a process; and events.
const (
	headerStart     = `{"schema":`
	definitionStart = `{"define":`
)

type segmentHeader struct {
	Schema int    `json:"schema"`
	Host   string `json:"host"`
	BootID string `json:"boot_id"`
}

type definition struct {
	Define  uint64         `json:"define"`
	Process *event.Process `json:"process"`
}

// segmentEvent is an event whose process is the number of a definition. Its Process hides the event's in JSON.
type segmentEvent struct {
	*event.Event
	Process uint64 `json:"process,omitempty"`
}

const (
	// generation is how many definitions are kept: before definition k*generation+1 all earlier ones are forgotten, by the
	// writer, which defines anew what it needs, and so by the reader. It bounds the memory of both.
	generation = 4096
	// frameBytes is about the text of a frame.
	frameBytes = 512 << 10
	// segmentStem is how the names of segments start.
	segmentStem = "events"
)

// segmentFile is what the writer needs of *os.File.
type segmentFile interface {
	file
	Truncate(size int64) error
}

// segmentWriter owns the current segment. Only the segments' goroutine uses it.
type segmentWriter struct {
	cfg    SegmentsConfig
	parts  series
	losses *ledger
	enc    *zstd.Encoder
	number uint64

	file segmentFile
	size int64
	// known numbers the process versions defined in this segment; a pointer is a version, because processes never change.
	known   map[*event.Process]uint64
	defined uint64

	text   bytes.Buffer
	json   *json.Encoder
	packed []byte
	events int
	failed bool
}

func (w *segmentWriter) init(cfg SegmentsConfig, losses *ledger) error {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(frameBytes))
	if err != nil {
		return err
	}
	w.cfg, w.losses, w.enc = cfg, losses, enc
	w.parts = series{dir: cfg.Dir, stem: segmentStem}
	w.json = json.NewEncoder(&w.text)
	w.json.SetEscapeHTML(false)
	parts, err := w.parts.list()
	if err != nil {
		return err
	}
	if len(parts) > 0 {
		w.number = parts[len(parts)-1].number
	}
	w.forget()
	return nil
}

func (w *segmentWriter) forget() { w.known = make(map[*event.Process]uint64) }

// add encodes events into the frame, and writes the frame when it is full.
func (w *segmentWriter) add(events []*event.Event) {
	for _, e := range events {
		start := w.text.Len()
		if err := w.encode(e); err != nil {
			w.text.Truncate(start)
			w.forget() // a definition may have gone with it
			w.losses.add(CauseSegmentWriteError, 1)
			continue
		}
		w.events++
		if w.text.Len() >= frameBytes {
			w.flush()
		}
	}
}

func (w *segmentWriter) encode(e *event.Event) error {
	start, line := w.text.Len(), segmentEvent{Event: e}
	if e.Process != nil {
		number, err := w.define(e.Process)
		if err != nil {
			return err
		}
		line.Process = number
	}
	if err := w.json.Encode(&line); err != nil {
		return err
	}
	if w.text.Len()-start > maxLine {
		return errLineTooLong
	}
	return nil
}

// define returns the number of a process version and writes its definition the first time.
func (w *segmentWriter) define(p *event.Process) (uint64, error) {
	if number := w.known[p]; number != 0 {
		return number, nil
	}
	number := w.defined + 1
	if err := w.json.Encode(&definition{Define: number, Process: p}); err != nil {
		return 0, err
	}
	if w.defined%generation == 0 {
		w.forget()
	}
	w.defined, w.known[p] = number, number
	return number, nil
}

// flush writes the frame, if there is something in it.
func (w *segmentWriter) flush() {
	if w.events == 0 {
		return
	}
	if err := w.writeFrame(); err != nil {
		w.losses.add(CauseSegmentWriteError, w.events)
		w.forget() // the definitions in this frame are lost with it
		if !w.failed {
			w.cfg.Logger.Error("segments cannot be written", "error", err)
		}
		w.failed = true
	} else if w.failed {
		w.cfg.Logger.Info("segments are written again")
		w.failed = false
	}
	w.text.Reset()
	w.events = 0
}

// writeFrame packs the text into a frame and appends it. After an error the segment ends where it ended before.
func (w *segmentWriter) writeFrame() error {
	if err := w.open(); err != nil {
		return err
	}
	w.packed = w.enc.EncodeAll(w.text.Bytes(), w.packed[:0])
	n, err := w.file.Write(w.packed)
	if err != nil {
		if n > 0 && w.file.Truncate(w.size) != nil {
			err = errors.Join(err, w.end())
		}
		return fmt.Errorf("write segment: %w", err)
	}
	w.size += int64(n)
	if w.size >= w.cfg.SegmentBytes {
		if err := w.end(); err != nil { // the frame is written all the same
			w.cfg.Logger.Error("a segment may not outlive a power cut", "error", err)
		}
	}
	return nil
}

// open starts the next segment, if there is none, after making room for it.
func (w *segmentWriter) open() error {
	if w.file != nil {
		return nil
	}
	if err := w.makeRoom(); err != nil {
		return err
	}
	header, err := json.Marshal(segmentHeader{Schema: event.Schema, Host: w.cfg.Host, BootID: w.cfg.BootID})
	if err != nil {
		return fmt.Errorf("start segment: %w", err)
	}
	path := w.parts.path(w.parts.partName(w.cfg.Now(), w.number+1) + packedExt)
	f, err := openNoFollow(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return fmt.Errorf("start segment: %w", err)
	}
	w.file = w.cfg.wrap(f)
	n, err := w.file.Write(w.enc.EncodeAll(append(header, '\n'), nil))
	if err != nil {
		err = errors.Join(err, w.file.Close(), os.Remove(path))
		w.file = nil
		return fmt.Errorf("start segment: %w", err)
	}
	w.number++
	w.size = int64(n)
	return nil
}

// makeRoom deletes the oldest segments until another one fits.
func (w *segmentWriter) makeRoom() error {
	parts, err := w.parts.list()
	if err != nil {
		return err
	}
	for _, p := range excess(parts, w.cfg.TotalBytes-w.cfg.SegmentBytes-frameBytes) {
		if err := w.parts.remove(p); err != nil {
			return err
		}
		w.cfg.Report(&event.Event{
			Time: w.cfg.Now(), Kind: event.KindRetention, Evidence: event.EvidenceGuard,
			Guard: &event.Guard{Action: "delete", Detail: p.file(), Bytes: p.bytes},
		})
	}
	return nil
}

// end brings the segment to the disk and closes it. The next one defines its processes anew.
func (w *segmentWriter) end() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.file.Sync(), w.file.Close(), syncDir(w.cfg.Dir))
	w.file, w.size, w.defined = nil, 0, 0
	w.forget()
	if err != nil {
		return fmt.Errorf("end segment: %w", err)
	}
	return nil
}

func (w *segmentWriter) close() error {
	w.flush()
	return errors.Join(w.end(), w.enc.Close())
}
