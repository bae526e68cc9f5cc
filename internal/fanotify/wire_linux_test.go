package fanotify

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

func FuzzParse(f *testing.F) {
	event := binary.NativeEndian.AppendUint32(nil, eventBytes)
	event = append(event, unix.FANOTIFY_METADATA_VERSION, 0, eventBytes, 0)
	event = binary.NativeEndian.AppendUint64(event, unix.FAN_OPEN_PERM)
	event = binary.NativeEndian.AppendUint32(event, 7)
	event = binary.NativeEndian.AppendUint32(event, 4711)
	f.Add(bytes.Repeat(event, 3))
	f.Add(append([]byte{48}, append(event[1:], make([]byte, 24)...)...))
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, buf []byte) {
		list := parse(buf)
		if len(list) != 0 != (len(buf) >= eventBytes) || len(list) > len(buf)/eventBytes {
			t.Errorf("%d events in %d bytes", len(list), len(buf))
		}
		if bytes.HasPrefix(buf, event) && (list[0].fd != 7 || list[0].tid != 4711 || list[0].mask != unix.FAN_OPEN_PERM) {
			t.Errorf("%+v", list[0])
		}
	})
}

func TestProcText(t *testing.T) {
	for text, want := range map[string]int{
		"Name:\tcat\nUmask:\t0022\nTgid:\t42\nNgid:\t0\n": 42,
		"Name:\ta\\nTgid:\\t1\nTgid:\t7\n":                7,
		"Name:\tcat\n":                                    0,
		"":                                                0,
		"\nTgid:":                                         0,
		"\nTgid:\tmany\n":                                 0,
	} {
		if got := tgid([]byte(text)); got != want {
			t.Errorf("%q: process %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"257 0xffffff9c 0x7ffe 0x80001 0x1b6 0x0 0x0 0x7ffe 0x7f01\n": true,
		"257 0xffffff9c 0x7ffe 0x80000 0x1b6 0x0 0x0 0x7ffe 0x7f01\n": false,
		"257 0xffffff9c 0x7ffe 0x2 0x1b6 0x0 0x0 0x7ffe 0x7f01\n":     false,
		"437 0xffffff9c 0x7ffe 0x1 0x18 0x0 0x0 0x7ffe 0x7f01\n":      false,
		"257 0xffffff9c 0x7ffe\n":                                     false,
		"257 0xffffff9c 0x7ffe many 0x0\n":                            false,
		"running\n":                                                   false,
		"-1 0x7ffe 0x7f01\n":                                          false,
		"":                                                            false,
	} {
		flags, ok := openatFlags(text)
		if got := ok && flags&unix.O_ACCMODE == unix.O_WRONLY; unix.SYS_OPENAT == 257 && got != want {
			t.Errorf("%q: for writing only: %v", text, got)
		}
	}
}
