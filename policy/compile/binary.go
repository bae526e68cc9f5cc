package compile

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// The head of the binary form: the magic, the version, and the SHA-256 of all that follows the head. It tells damage,
// not forgery: whoever can write an image can compute it.
const (
	magic         = "STOCKADE"
	FormatVersion = 2
	headBytes     = len(magic) + 4 + sha256.Size
)

// Bytes returns the binary form. The same image has the same bytes on every system.
func (img *Image) Bytes() []byte {
	body := codec{index: map[string]uint32{}}
	body.image(img)
	front := codec{strings: body.strings}
	front.stringTable()
	sum := sha256.New()
	sum.Write(front.data)
	sum.Write(body.data)
	out := make([]byte, 0, headBytes+len(front.data)+len(body.data))
	out = append(out, magic...)
	out = binary.LittleEndian.AppendUint32(out, FormatVersion)
	out = sum.Sum(out)
	out = append(out, front.data...)
	return append(out, body.data...)
}

// Decode reads the binary form. What it returns keeps every rule that Compile keeps, so that it can be executed without
// further checks, whoever made the bytes. Time and memory are in proportion to their number, of which there may be at
// most MaxBytes.
func Decode(data []byte) (*Image, error) {
	img, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("decode image: %w", err)
	}
	return img, nil
}

func decode(data []byte) (*Image, error) {
	switch {
	case len(data) < headBytes || string(data[:len(magic)]) != magic:
		return nil, errors.New("it is no image")
	case len(data) > MaxBytes:
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(data), MaxBytes)
	}
	if version := binary.LittleEndian.Uint32(data[len(magic):]); version != FormatVersion {
		return nil, fmt.Errorf("its format is version %d, and this is %d", version, FormatVersion)
	}
	if sha256.Sum256(data[headBytes:]) != [sha256.Size]byte(data[headBytes-sha256.Size:]) {
		return nil, errors.New("it is damaged: its digest is another")
	}
	c := codec{reading: true, data: data[headBytes:]}
	c.stringTable()
	img := &Image{}
	c.image(img)
	switch {
	case c.err != nil:
		return nil, c.err
	case len(c.data) > 0:
		return nil, fmt.Errorf("%d bytes too many", len(c.data))
	}
	if err := img.validate(); err != nil {
		return nil, err
	}
	return img, nil
}
