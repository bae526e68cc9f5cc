package layout

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// Options are what an image needs beyond the policy.
type Options struct {
	Generation uint32
	// Users returns the numbers of a user that a policy names; none: the name claims nobody.
	Users func(name string) []uint32
	// Exact holds paths that the image shall hold as texts, to bind files to; see Image.Texts.
	Exact []string
}

// Image is an encoded policy. It is immutable.
type Image struct {
	// Bytes are the words, little-endian.
	Bytes []byte
	// Asks is what any of its rules ask about.
	Asks uint32
	// Texts holds for each exact path its place: a word with its length, and its bytes from the next word on.
	Texts map[string]uint32
}

// Encode lays an image out. An error names the entries that cannot be told apart, or a digest that is none.
func Encode(img *compile.Image, o Options) (*Image, error) {
	h := &img.Host
	e := &encoder{img: img, options: o, out: make([]byte, unsafe.Sizeof(Head{})), texts: map[string]uint32{}}
	e.head = Head{
		Magic: Magic, Generation: o.Generation, SubjectCount: uint32(len(img.Subjects)),
		BPF: h.BPF, Settime: h.Settime, Keyring: h.Keyring, IOUring: h.IOUring, Metadata: h.Metadata,
		Actors: table(img.Actors), Exec: table(h.Exec), Read: table(h.Read), Write: table(h.Write),
		Device: table(h.Device), Mount: table(h.Mount), Module: table(h.Module),
	}
	digest, err := sums([]string{img.Digest})
	if err != nil {
		return nil, fmt.Errorf("lay out the image: %w", err)
	}
	e.head.Digest = [8]uint32(digest)
	e.networks()
	e.automata()
	e.decisions()
	e.calls()
	if err := e.subjects(); err != nil {
		return nil, fmt.Errorf("lay out the image: %w", err)
	}
	if err := e.actors(); err != nil {
		return nil, fmt.Errorf("lay out the image: %w", err)
	}
	for _, path := range o.Exact {
		e.texts[path] = put(e, []uint32{uint32(len(path))})
		e.out = append(e.out, path...)
	}
	e.head.Words = e.place()
	copy(e.out, encoded(e.head))
	return &Image{Bytes: e.out, Asks: e.head.AnyAsks, Texts: e.texts}, nil
}

// encoder holds an image while it grows.
type encoder struct {
	img     *compile.Image
	options Options
	head    Head
	out     []byte
	texts   map[string]uint32
	// prefixes are the automata of addresses: they are numbered behind those of the policy.
	prefixes []automaton.Automaton
}

// place is the index of the next word, on a boundary of two.
func (e *encoder) place() uint32 {
	for len(e.out)%8 != 0 {
		e.out = append(e.out, 0)
	}
	return uint32(len(e.out) / 4)
}

// put appends values, and returns their place.
func put[T any](e *encoder, list []T) uint32 {
	at := e.place()
	e.out = append(e.out, encoded(list)...)
	return at
}

// Read returns the head of an encoded image, and the digest of its policy.
func Read(words []byte) (h Head, digest string, err error) {
	if _, err := binary.Decode(words, binary.LittleEndian, &h); err != nil || h.Magic != Magic {
		return h, "", errors.New("this is not an image of this version")
	}
	return h, hex.EncodeToString(encoded(h.Digest)), nil
}

// encoded is the little-endian form of what has a fixed size.
func encoded(v any) []byte {
	out, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err) // the type has no fixed size: a mistake in this package
	}
	return out
}

func table(t compile.Table) Table {
	return Table{t.Automata.First, t.Automata.Count, t.Base, t.Miss, t.Long}
}

func span(r compile.Range) Range { return Range{r.First, r.Count} }

func (e *encoder) automata() {
	all := slices.Concat(e.img.Automata, e.prefixes)
	heads := make([]Automaton, len(all))
	for i := range all {
		a := &all[i]
		heads[i] = Automaton{Start: a.Start, Final: a.Final, Classes: 4 * put(e, a.Classes[:]), Cells: put(e, a.Cells) / 2}
		if a.Reverse {
			heads[i].Reverse = 1
		}
	}
	e.head.Automata = put(e, heads)
}

// decisions are as many as a power of two, so that every number that is masked is one.
func (e *encoder) decisions() {
	count := 1
	for count < len(e.img.Decisions) {
		count *= 2
	}
	words := make([]uint32, count)
	for i, d := range e.img.Decisions {
		words[i] = d.Grant << GrantShift
		if d.Deny {
			words[i] |= Denies
		}
		if d.Unlisted {
			words[i] |= Unlisted
		}
	}
	e.head.Decisions, e.head.DecisionMask = put(e, words), uint32(count-1)
}

// calls are what is judged by number.
func (e *encoder) calls() {
	e.head.Syscalls = put(e, e.img.Syscalls)
	e.head.Capabilities = put(e, e.img.Capabilities)
	e.head.Members = put(e, e.img.Members)
	e.head.Prctl = Range{put(e, e.img.Host.Prctl), uint32(len(e.img.Host.Prctl))}
}
