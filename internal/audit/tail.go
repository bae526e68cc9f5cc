package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// tail is the state of a log file's end: where the chain stands and what a crash or a full disk left behind it.
type tail struct {
	link
	// torn is the length of the text between the last record and the end, without a final newline.
	torn int64
	// midline: the file does not end in a newline.
	midline bool
}

// advance follows a write of buf of which n bytes arrived. ends holds the ends of the records in buf, behind their
// newlines, and links their places in the chain. It returns how many records the file now has of them.
// A record counts when only its newline is missing.
func (t *tail) advance(buf []byte, n int, ends []int, links []link) int {
	done := 0
	for done < len(ends) && n >= ends[done]-1 {
		done++
	}
	switch {
	case done > 0:
		t.link = links[done-1]
		t.torn = max(0, int64(n-ends[done-1]))
		t.midline = n != ends[done-1]
	case n > 0:
		rest := int64(n)
		if t.midline {
			rest-- // the newline that ends what was there before
		}
		if t.torn > 0 && rest > 0 {
			rest++ // a newline is now inside the torn text
		}
		t.torn += rest
		t.midline = buf[n-1] != '\n'
	}
	return done
}

// readTail finds the end of the chain in a log file, and the file's first record, nil if it has none at its start.
// A file that holds something else than a log is an error.
func readTail(f *os.File) (t tail, first *Record, err error) {
	info, err := f.Stat()
	if err != nil {
		return t, nil, err
	}
	if first, err = readStart(f); err != nil {
		return t, nil, err
	}
	// Look at the last piece, and at more only while it holds no whole record.
	for size := int64(64 << 10); ; size *= 2 {
		size = min(size, info.Size())
		buf := make([]byte, size)
		if _, err := f.ReadAt(buf, info.Size()-size); err != nil {
			return t, nil, err
		}
		whole := size == info.Size()
		if t, ok := findTail(buf, whole); ok || whole {
			return t, first, nil
		}
	}
}

func readStart(f *os.File) (*Record, error) {
	head := make([]byte, 64<<10)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.HasPrefix([]byte(recordStart), head[:min(n, len(recordStart))]) {
		return nil, errors.New("it exists and is not an audit log")
	}
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	if r, err := parseRecord(line); err == nil {
		return r, nil
	}
	return nil, nil
}

// findTail looks for the last record in the end of a file; whole says that buf is all of it.
func findTail(buf []byte, whole bool) (tail, bool) {
	t := tail{midline: len(buf) > 0 && buf[len(buf)-1] != '\n'}
	text := bytes.TrimSuffix(buf, []byte("\n"))
	for end := len(text); end > 0; {
		start := bytes.LastIndexByte(text[:end], '\n') + 1
		if start == 0 && !whole {
			return t, false
		}
		line := text[start:end]
		if r, err := parseRecord(line); err == nil {
			t.link = link{seq: r.Seq - 1}.after(line)
			t.torn = max(0, int64(len(text)-end-1))
			return t, true
		}
		end = max(0, start-1)
	}
	t.torn = int64(len(text))
	return t, false
}

// lastLink reads a rotated file to its end and returns the link of its last record.
func lastLink(path string, packed bool) (link, error) {
	r, err := openLines(path, packed)
	if err != nil {
		return link{}, err
	}
	defer r.Close()
	var last link
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return link{}, fmt.Errorf("read %s: %w", path, err)
		}
		if rec, err := parseRecord(line); err == nil {
			last = link{seq: rec.Seq - 1}.after(line)
		}
	}
	if last.seq == 0 {
		return link{}, fmt.Errorf("read %s: no record in it", path)
	}
	return last, nil
}

// decoderOptions bound what a packed file can make its reader allocate.
func decoderOptions() []zstd.DOption {
	return []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8 << 20), zstd.WithDecoderLowmem(true)}
}
