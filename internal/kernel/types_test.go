//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// stubbed makes types in which a system call's stub stands beside its function, and another stub alone.
func stubbed(t testing.TB) []byte {
	t.Helper()
	var b btf.Builder
	long := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	regs := &btf.Pointer{Target: &btf.Struct{Name: "pt_regs", Size: 8, Members: []btf.Member{{Name: "ax", Type: long}}}}
	fn := func(name, param string) *btf.Func {
		return &btf.Func{Name: name, Type: &btf.FuncProto{Return: long, Params: []btf.FuncParam{{Name: param, Type: regs}}}, Linkage: btf.GlobalFunc}
	}
	for _, f := range []*btf.Func{fn("both", "__unused"), fn("both", "regs"), fn("alone", "__unused"), fn("twins", "a"), fn("twins", "b")} {
		if _, err := b.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestUnnameStubs(t *testing.T) {
	raw := stubbed(t)
	if n := unnameStubs(raw); n != 1 {
		t.Fatalf("%d stubs have lost their names, not 1", n)
	}
	types, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for name, param := range map[string]string{"both": "regs", "alone": "__unused"} {
		var f *btf.Func
		if err := types.TypeByName(name, &f); err != nil {
			t.Error(err)
		} else if got := f.Type.(*btf.FuncProto).Params[0].Name; got != param {
			t.Errorf("%s is the one with %s", name, got)
		}
	}
	var f *btf.Func
	if err := types.TypeByName("twins", &f); !errors.Is(err, btf.ErrMultipleMatches) {
		t.Errorf("two functions that are no stubs: %v", err)
	}
}

// TestKernelTypes holds the walk to this kernel's types: every record has a size, and the last one ends where they do.
func TestKernelTypes(t *testing.T) {
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip("needs a kernel with BTF:", err)
	}
	types, names := typeSections(raw)
	if len(types) == 0 || len(names) == 0 {
		t.Fatal("no types")
	}
	for len(types) > 0 {
		size := typeRecord(types).size()
		if size == 0 || size > len(types) {
			t.Fatalf("%d bytes before the end a type of kind %d has %d bytes", len(types), typeRecord(types).kind(), size)
		}
		types = types[size:]
	}
	unnameStubs(raw)
	if _, err := btf.LoadSpecFromReader(bytes.NewReader(raw)); err != nil {
		t.Errorf("what is left is no BTF: %v", err)
	}
}

func FuzzUnnameStubs(f *testing.F) {
	f.Add(stubbed(f))
	f.Add([]byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(_ *testing.T, raw []byte) {
		if len(raw) > 2 {
			binary.NativeEndian.PutUint16(raw, 0xeb9f)
		}
		unnameStubs(raw)
	})
}
