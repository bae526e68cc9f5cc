package compile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/stockade-security/stockade/policy/automaton"
)

// codec writes or reads the binary form of an image, so that one description of the form serves both ways. All numbers are
// little-endian, and a list starts with its length. Strings stand in a table of their own, each once.
type codec struct {
	reading bool
	// data is what has been written, or what is left to read.
	data    []byte
	strings []string
	index   map[string]uint32
	err     error
}

var errShort = errors.New("it ends too early")

// next returns the next n bytes to read, nil if there are less.
func (c *codec) next(n int) []byte {
	if c.err == nil && (n < 0 || len(c.data) < n) {
		c.err = errShort
	}
	if c.err != nil {
		return nil
	}
	out := c.data[:n]
	c.data = c.data[n:]
	return out
}

// number is in size bytes.
func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int | ~int64](c *codec, v *T, size int) {
	var space [8]byte
	if !c.reading {
		binary.LittleEndian.PutUint64(space[:], uint64(*v))
		c.data = append(c.data, space[:size]...)
		return
	}
	copy(space[:], c.next(size))
	*v = T(binary.LittleEndian.Uint64(space[:]))
}

func (c *codec) numbers(list ...*uint32) {
	for _, v := range list {
		number(c, v, 4)
	}
}

func (c *codec) flag(v *bool) {
	n := uint8(0)
	if *v {
		n = 1
	}
	number(c, &n, 1)
	if n > 1 && c.err == nil {
		c.err = fmt.Errorf("%d is neither yes nor no", n)
	}
	*v = n == 1
}

// text writes the number of a string.
func text[T ~string](c *codec, v *T) {
	n := uint32(0)
	if !c.reading {
		n = c.intern(string(*v))
	}
	number(c, &n, 4)
	switch {
	case !c.reading || c.err != nil:
	case int(n) >= len(c.strings):
		c.err = fmt.Errorf("string %d of %d", n, len(c.strings))
	default:
		*v = T(c.strings[n])
	}
}

func (c *codec) intern(s string) uint32 {
	n, ok := c.index[s]
	if !ok {
		n = uint32(len(c.strings))
		c.index[s] = n
		c.strings = append(c.strings, s)
	}
	return n
}

// stringTable holds the bytes of all strings.
func (c *codec) stringTable() {
	list(c, &c.strings, func(c *codec, s *string) {
		n := len(*s)
		number(c, &n, 4)
		if c.reading {
			*s = string(c.next(n))
		} else {
			c.data = append(c.data, *s...)
		}
	})
}

// list grows while it is read, so a length that lies costs no memory.
func list[T any](c *codec, l *[]T, item func(*codec, *T)) {
	n := len(*l)
	number(c, &n, 4)
	if !c.reading {
		for i := range *l {
			item(c, &(*l)[i])
		}
		return
	}
	*l = nil
	for range n {
		var v T
		item(c, &v)
		if c.err != nil {
			return
		}
		*l = append(*l, v)
	}
}

func numbers(c *codec, l *[]uint32) {
	list(c, l, func(c *codec, v *uint32) { number(c, v, 4) })
}

func texts[T ~string](c *codec, l *[]T) { list(c, l, text[T]) }

func (c *codec) span(r *Range) { c.numbers(&r.First, &r.Count) }

// prefix has an address of 4 or 16 bytes behind their number.
func (c *codec) prefix(p *netip.Prefix) {
	address := p.Addr().AsSlice()
	size, bits := uint8(len(address)), uint8(p.Bits())
	number(c, &size, 1)
	number(c, &bits, 1)
	if !c.reading {
		c.data = append(c.data, address...)
		return
	}
	if size != 4 && size != 16 {
		c.err = fmt.Errorf("an address of %d bytes", size)
	}
	addr, _ := netip.AddrFromSlice(c.next(int(size)))
	*p = netip.PrefixFrom(addr, int(bits))
}

// automaton has its cells read in one go: they are most of an image.
func (c *codec) automaton(a *automaton.Automaton) {
	n := len(a.Cells)
	c.numbers(&a.Start, &a.Final)
	c.flag(&a.Reverse)
	number(c, &n, 4)
	if !c.reading {
		c.data = append(c.data, a.Classes[:]...)
		for _, cell := range a.Cells {
			c.data = binary.LittleEndian.AppendUint32(c.data, cell.Check)
			c.data = binary.LittleEndian.AppendUint32(c.data, cell.Next)
		}
		return
	}
	copy(a.Classes[:], c.next(len(a.Classes)))
	cells := c.next(n * cellBytes)
	a.Cells = make([]automaton.Cell, len(cells)/cellBytes)
	for i := range a.Cells {
		b := cells[i*cellBytes:]
		a.Cells[i] = automaton.Cell{Check: binary.LittleEndian.Uint32(b), Next: binary.LittleEndian.Uint32(b[4:])}
	}
}
