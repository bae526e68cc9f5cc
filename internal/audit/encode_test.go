package audit

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
)

// reference is the line that encoding/json makes.
func reference(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func mustEncode(t *testing.T, e *event.Event) {
	t.Helper()
	lines, err := newSegmentEncoder()
	if err != nil {
		t.Fatal(err)
	}
	got, err := lines.appendEvent(nil, e, e.Seq)
	if want := reference(t, segmentEvent{Event: e, Process: e.Seq}); err != nil || string(got) != want {
		t.Fatalf("event, error %v:\n got %s\nwant %s", err, got, want)
	}
	if e.Process == nil {
		return
	}
	d := &definition{Define: e.Seq, Process: e.Process}
	got, err = lines.appendDefinition(nil, d)
	if want := reference(t, d); err != nil || string(got) != want {
		t.Fatalf("definition, error %v:\n got %s\nwant %s", err, got, want)
	}
}

// Every field of every detail, absent, zero, empty and set, comes out as encoding/json would have it.
func TestEncoderAgreesWithTheLibrary(t *testing.T) {
	mustEncode(t, &event.Event{})
	for i := range 3000 {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		var e event.Event
		scatter(reflect.ValueOf(&e).Elem(), random)
		mustEncode(t, &e)
	}
}

// scatter sets about half of all fields, down to the last.
func scatter(v reflect.Value, random *rand.Rand) {
	if random.IntN(2) == 0 && v.Kind() != reflect.Struct {
		return
	}
	switch {
	case v.Type() == timeType:
		if random.IntN(2) == 0 {
			zone := time.FixedZone("", random.IntN(86400)/60*60-43200)
			v.Set(reflect.ValueOf(time.Unix(random.Int64N(1<<33), random.Int64N(1e9)).In(zone)))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			scatter(v.Field(i), random)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scatter(v.Elem(), random)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(4), 4))
		for i := range v.Len() {
			scatter(v.Index(i), random)
		}
	case v.Kind() == reflect.String:
		odd := []string{"", "plain", "two words", "<&>", "\"\\/", "a\nb\t\x00\x1f\x7f", "é\u2028\u202e", "\xff\xfe", "😀"}
		v.SetString(odd[random.IntN(len(odd))])
	default:
		switch n := random.Uint64() >> random.IntN(64); {
		case v.Kind() == reflect.Bool:
			v.SetBool(true)
		case v.CanInt():
			v.SetInt(int64(n))
		default:
			v.SetUint(n & (1<<v.Type().Bits() - 1))
		}
	}
}

func FuzzEncoderStrings(f *testing.F) {
	f.Add("/etc/passwd")
	f.Add("\xff\u2029\"\\\x7f\x00")
	f.Fuzz(func(t *testing.T, s string) {
		mustEncode(t, &event.Event{ID: s, File: &event.File{Path: s, Flags: []string{s, s}}, Process: &event.Process{CWD: s}})
	})
}

// What encoding/json would treat in a way of its own is refused, not written otherwise.
func TestEncoderRefusesOtherTypes(t *testing.T) {
	type own struct {
		Raw json.RawMessage `json:"raw"`
	}
	type untagged struct{ Name string }
	type quoted struct {
		N int `json:"n,string"`
	}
	type left struct {
		R event.Ref `json:"r,omitzero"`
	}
	type pointed struct{ *event.Ref }
	for _, typ := range []reflect.Type{
		reflect.TypeFor[own](), reflect.TypeFor[untagged](), reflect.TypeFor[quoted](), reflect.TypeFor[left](), reflect.TypeFor[pointed](),
		reflect.TypeFor[map[string]int](), reflect.TypeFor[[]byte](), reflect.TypeFor[float64](), reflect.TypeFor[any](),
	} {
		if _, err := encoderOf(typ); err == nil {
			t.Errorf("%s has an encoder", typ)
		}
	}
}
