//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"unsafe"

	"github.com/stockade-security/stockade/event"
)

// raw builds a ring record: a header of the given kind, a body, and texts.
func raw(kind bpfKind, body []byte, texts ...string) []byte {
	h := bpfRecord{Kind: uint16(kind), Evidence: uint8(bpfEvidenceEV_LSM), Pid: 7, StartNs: 9, BodyBytes: uint32(len(body))}
	copy(h.Comm[:], []int8{'s', 'h'})
	b := slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h)))
	b = append(b, body...)
	for _, t := range texts {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(t)))
		b = binary.LittleEndian.AppendUint16(b, 0)
		b = append(b, t...)
	}
	return b
}

func TestParse(t *testing.T) {
	var r Record
	if err := r.Parse(raw(bpfKindKIND_EXEC, make([]byte, 8), "/bin/sh", "")); err != nil {
		t.Fatal(err)
	}
	if r.Kind != event.KindExec || r.Evidence != event.EvidenceLSM || r.PID != 7 || r.StartNS != 9 || r.Name() != "sh" {
		t.Errorf("the header is %+v", r)
	}
	for _, want := range []string{"/bin/sh", ""} {
		if got, cut, err := r.Text(); got != want || cut || err != nil {
			t.Errorf("text %q, cut %v, %v; want %q", got, cut, err, want)
		}
	}
	if _, _, err := r.Text(); !errors.Is(err, ErrShortRecord) {
		t.Errorf("a text too many: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	whole := raw(bpfKindKIND_EXEC, nil)
	long := raw(bpfKindKIND_EXEC, nil)
	(*bpfRecord)(unsafe.Pointer(&long[0])).BodyBytes = 1
	for name, b := range map[string][]byte{"nothing": nil, "half a header": whole[:40], "a body that is not there": long, "an unknown kind": raw(9999, nil)} {
		var r Record
		if err := r.Parse(b); err == nil {
			t.Errorf("%s is taken for a record", name)
		}
	}
}

// TestEveryKindHasAName holds the table to enum kind: a kind of C without a name would end the reader.
func TestEveryKindHasAName(t *testing.T) {
	seen := map[event.Kind]bool{}
	for k := range kinds {
		if kinds[k] == "" {
			continue
		}
		if seen[kinds[k]] {
			t.Errorf("%s stands twice in the table", kinds[k])
		}
		seen[kinds[k]] = true
		if !slices.Contains(event.Kinds(), kinds[k]) {
			t.Errorf("%s is no kind of the vocabulary", kinds[k])
		}
	}
	if len(seen) != 40 {
		t.Errorf("the table has %d kinds", len(seen))
	}
}

func TestArgument(t *testing.T) {
	for _, c := range []struct{ name, base, want string }{
		{"/etc/../etc/passwd", "", "/etc/passwd"},
		{"passwd", "/etc", "/etc/passwd"},
		{"../x", "/etc", "/x"},
		{"", "/proc/1/fd/3", "/proc/1/fd/3"},
	} {
		var r Record
		if err := r.Parse(raw(bpfKindKIND_MOUNT, nil, c.name, c.base)); err != nil {
			t.Fatal(err)
		}
		if got, cut, err := Argument(&r); got != c.want || cut || err != nil {
			t.Errorf("%q in %q is %q, cut %v, %v; want %q", c.name, c.base, got, cut, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(raw(bpfKindKIND_MOUNT, make([]byte, 8), "name", "base"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		aligned := make([]uint64, len(b)/8+1) // as the ring aligns it
		b = append(unsafe.Slice((*byte)(unsafe.Pointer(&aligned[0])), len(aligned)*8)[:0], b...)
		var r Record
		if r.Parse(b) != nil {
			return
		}
		for {
			if _, _, err := r.Bytes(); err != nil {
				return
			}
		}
	})
}
