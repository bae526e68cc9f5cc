package audit

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/stockade-security/stockade/event"
)

// An encoder appends the JSON of the value at p, byte for byte as encoding/json does without EscapeHTML. It takes a fifth
// of that one's time for an event, most of whose fields are absent: types are looked at once, not for each value.
// It knows just the kinds of types that events are made of; newEncoder refuses any other.
type encoder func(dst []byte, p unsafe.Pointer) ([]byte, error)

// newEncoder returns the encoder of a T, to which p must point.
func newEncoder[T any]() (encoder, error) { return encoderOf(reflect.TypeFor[T]()) }

var (
	timeType  = reflect.TypeFor[time.Time]()
	jsonType  = reflect.TypeFor[json.Marshaler]()
	plainType = reflect.TypeFor[encoding.TextMarshaler]()
)

func encoderOf(t reflect.Type) (encoder, error) {
	if t == timeType {
		return appendTime, nil
	}
	if p := reflect.PointerTo(t); p.Implements(jsonType) || p.Implements(plainType) {
		return nil, fmt.Errorf("%s has a JSON form of its own", t)
	}
	switch t.Kind() {
	case reflect.String:
		return appendString, nil
	case reflect.Bool:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) { return strconv.AppendBool(dst, *(*bool)(p)), nil }, nil
	case reflect.Int:
		return signed[int], nil
	case reflect.Int64:
		return signed[int64], nil
	case reflect.Uint8:
		return unsigned[uint8], nil
	case reflect.Uint16:
		return unsigned[uint16], nil
	case reflect.Uint32:
		return unsigned[uint32], nil
	case reflect.Uint64:
		return unsigned[uint64], nil
	case reflect.Pointer:
		return pointerEncoder(t.Elem())
	case reflect.Slice:
		return sliceEncoder(t.Elem())
	case reflect.Struct:
		return structEncoder(t)
	default:
		return nil, fmt.Errorf("no encoder for %s", t)
	}
}

func signed[T int | int64](dst []byte, p unsafe.Pointer) ([]byte, error) {
	return strconv.AppendInt(dst, int64(*(*T)(p)), 10), nil
}

func unsigned[T uint8 | uint16 | uint32 | uint64](dst []byte, p unsafe.Pointer) ([]byte, error) {
	return strconv.AppendUint(dst, uint64(*(*T)(p)), 10), nil
}

func appendTime(dst []byte, p unsafe.Pointer) ([]byte, error) {
	text, err := (*time.Time)(p).AppendText(append(dst, '"'))
	if err != nil {
		return dst, err
	}
	return append(text, '"'), nil
}

// appendString leaves all that must be escaped to encoding/json, which is rare.
func appendString(dst []byte, p unsafe.Pointer) ([]byte, error) {
	s := *(*string)(p)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			return escapeString(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"'), nil
}

func escapeString(dst []byte, s string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...), err
}

func pointerEncoder(to reflect.Type) (encoder, error) {
	encode, err := encoderOf(to)
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return append(dst, "null"...), nil
		}
		return encode(dst, p)
	}, err
}

func sliceEncoder(of reflect.Type) (encoder, error) {
	encode, err := encoderOf(of)
	if of.Kind() == reflect.Uint8 {
		err = errors.New("no encoder for bytes")
	}
	size := of.Size()
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		s := *(*[]struct{})(p) // whatever the elements are, the header is the same
		if s == nil {
			return append(dst, "null"...), nil
		}
		dst = append(dst, '[')
		for i := range len(s) {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = encode(dst, unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), uintptr(i)*size)); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}, err
}

// field is one field of a structure, or of one that is embedded in it.
type field struct {
	name   string // with quotes and colon
	offset uintptr
	encode encoder
	absent func(unsafe.Pointer) bool // nil: it is never left out
}

func structEncoder(t reflect.Type) (encoder, error) {
	fields, err := fieldsOf(t, 0)
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		dst, err := appendFields(append(dst, '{'), fields, p)
		return append(dst, '}'), err
	}, err
}

// appendFields ends dst with the last field, without a comma.
func appendFields(dst []byte, fields []field, p unsafe.Pointer) ([]byte, error) {
	first := true
	for i := range fields {
		f := &fields[i]
		at := unsafe.Add(p, f.offset)
		if f.absent != nil && f.absent(at) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var err error
		if dst, err = f.encode(append(dst, f.name...), at); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// fieldsOf returns the fields of t, which lies base bytes behind what appendFields is given, and those of the structures
// embedded in it. Of two fields with one name encoding/json would take the outer one; there is no such pair in events.
func fieldsOf(t reflect.Type, base uintptr) ([]field, error) {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct {
			inner, err := fieldsOf(f.Type, base+f.Offset)
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		if f.Anonymous || !tagged || !f.IsExported() {
			return nil, fmt.Errorf("no encoder for field %s of %s", f.Name, t)
		}
		name, option, _ := strings.Cut(tag, ",")
		encode, err := encoderOf(f.Type)
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", f.Name, t, err)
		}
		absent, err := absentOf(f.Type, option)
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", f.Name, t, err)
		}
		fields = append(fields, field{strconv.Quote(name) + ":", base + f.Offset, encode, absent})
	}
	return fields, nil
}

// absentOf returns what says whether a value is left out.
func absentOf(t reflect.Type, option string) (func(unsafe.Pointer) bool, error) {
	switch {
	case option == "":
		return nil, nil
	case option == "omitzero" && t == timeType:
		return func(p unsafe.Pointer) bool { return (*time.Time)(p).IsZero() }, nil
	case option != "omitempty":
		return nil, fmt.Errorf("no encoder for the option %s", option)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return zero[unsafe.Pointer], nil
	case reflect.String:
		return zero[string], nil
	case reflect.Slice:
		return func(p unsafe.Pointer) bool { return len(*(*[]struct{})(p)) == 0 }, nil
	case reflect.Bool, reflect.Uint8:
		return zero[uint8], nil
	case reflect.Uint16:
		return zero[uint16], nil
	case reflect.Uint32:
		return zero[uint32], nil
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return zero[uint64], nil // an int has 64 bits wherever Stockade runs
	default:
		return nil, fmt.Errorf("no encoder for the option %s of %s", option, t)
	}
}

func zero[T comparable](p unsafe.Pointer) bool {
	var none T
	return *(*T)(p) == none
}

// segmentEncoder writes the two kinds of lines of which a segment has many.
type segmentEncoder struct {
	definition encoder
	event      []field // without the process, for which there is a number
}

func newSegmentEncoder() (s segmentEncoder, err error) {
	if s.definition, err = newEncoder[definition](); err != nil {
		return s, err
	}
	s.event, err = fieldsOf(reflect.TypeFor[event.Event](), 0)
	s.event = slices.DeleteFunc(s.event, func(f field) bool { return f.name == `"process":` })
	return s, err
}

func (s *segmentEncoder) appendDefinition(dst []byte, d *definition) ([]byte, error) {
	dst, err := s.definition(dst, unsafe.Pointer(d))
	return append(dst, '\n'), err
}

// appendEvent writes the event as a segmentEvent.
func (s *segmentEncoder) appendEvent(dst []byte, e *event.Event, process uint64) ([]byte, error) {
	dst, err := appendFields(append(dst, '{'), s.event, unsafe.Pointer(e))
	if process != 0 {
		dst = strconv.AppendUint(append(dst, `,"process":`...), process, 10)
	}
	return append(dst, "}\n"...), err
}
