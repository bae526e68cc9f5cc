package compile

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryField fills all fields of an image with numbers of their own, so one that the form leaves out is missed.
func TestEveryField(t *testing.T) {
	want := &Image{}
	next := uint64(0)
	fill(reflect.ValueOf(want).Elem(), &next)
	body := codec{index: map[string]uint32{}}
	body.image(want)
	got := &Image{}
	reader := codec{reading: true, data: body.data, strings: body.strings}
	reader.image(got)
	if reader.err != nil || len(reader.data) > 0 {
		t.Fatalf("%v, %d bytes left", reader.err, len(reader.data))
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func fill(v reflect.Value, next *uint64) {
	*next++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*next))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(*next % 251)
	case reflect.String:
		v.SetString(string(rune('a' + *next%26)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.Prefix]() {
			v.Set(reflect.ValueOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(*next)}), 32)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	}
}
