package audit

import (
	"bufio"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// lineReader reads a file line by line, whether packed or plain.
type lineReader struct {
	buf   *bufio.Reader
	long  []byte
	close []func() error
	// midline: the line that next returned last had no newline.
	midline bool
}

func openLines(path string, packed bool) (*lineReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := newLines(f, packed)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.close = append(r.close, f.Close)
	return r, nil
}

func newLines(from io.Reader, packed bool) (*lineReader, error) {
	r := &lineReader{}
	if packed {
		dec, err := zstd.NewReader(from, decoderOptions()...)
		if err != nil {
			return nil, err
		}
		r.close = append(r.close, func() error { dec.Close(); return nil })
		from = dec
	}
	r.buf = bufio.NewReaderSize(from, 64<<10)
	return r, nil
}

// next returns a line without its newline, valid until the next call. The last line may lack its newline; text before
// any other error than io.EOF is dropped, because it is not known to be a whole line.
func (r *lineReader) next() ([]byte, error) {
	line, err := r.buf.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.long = r.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(r.long) > maxLine {
				return nil, errLineTooLong
			}
			r.long = append(r.long, line...)
			line, err = r.buf.ReadSlice('\n')
		}
		r.long = append(r.long, line...)
		line = r.long
	}
	r.midline = false
	if errors.Is(err, io.EOF) && len(line) > 0 {
		r.midline = true
		return line, nil
	}
	if err != nil {
		return nil, err
	}
	return line[:len(line)-1], nil
}

func (r *lineReader) Close() error {
	var err error
	for _, c := range r.close {
		err = errors.Join(err, c())
	}
	return err
}
