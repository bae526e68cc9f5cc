//go:build linux

package enforcer

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/layout"
)

// TestShapes compares the structures of bpf/image.h with those that package layout writes: what the programs were compiled with
// counts, so it reads that from an object.
func TestShapes(t *testing.T) {
	types := objectTypes(t)
	for name, twin := range map[string]any{
		"head": layout.Head{}, "subject": layout.Subject{}, "automaton": layout.Automaton{}, "network": layout.Network{}, "port": layout.Port{},
		"actor_set": layout.ActorSet{}, "claim": layout.Claim{}, "syscalls": compile.Syscalls{},
	} {
		var s *btf.Struct
		if err := types.TypeByName(name, &s); err != nil {
			t.Errorf("struct %s: %v", name, err)
			continue
		}
		compareStruct(t, name, s, reflect.TypeOf(twin))
	}
}

func compareStruct(t *testing.T, path string, c *btf.Struct, g reflect.Type) {
	t.Helper()
	if uintptr(c.Size) != g.Size() || len(c.Members) != g.NumField() {
		t.Errorf("%s: C has %d bytes and %d fields, %s %d and %d", path, c.Size, len(c.Members), g, g.Size(), g.NumField())
		return
	}
	for i, m := range c.Members {
		f := g.Field(i)
		// What is Long in Go is a word of C's.
		if name := strings.TrimPrefix(strings.ReplaceAll(m.Name, "_", ""), "too"); !strings.EqualFold(name, f.Name) || uintptr(m.Offset.Bytes()) != f.Offset {
			t.Errorf("%s: C has %s at %d, Go %s at %d", path, m.Name, m.Offset.Bytes(), f.Name, f.Offset)
		}
		compareType(t, path+"."+m.Name, btf.UnderlyingType(m.Type), f.Type)
	}
}

// compareType knows what an image is made of: words, arrays, and structures of them.
func compareType(t *testing.T, path string, c btf.Type, g reflect.Type) {
	t.Helper()
	switch c := c.(type) {
	case *btf.Struct:
		if g.Kind() == reflect.Struct {
			compareStruct(t, path, c, g)
			return
		}
	case *btf.Array:
		if g.Kind() == reflect.Array && int(c.Nelems) == g.Len() {
			compareType(t, path, btf.UnderlyingType(c.Type), g.Elem())
			return
		}
	case *btf.Int:
		if g.Kind() == reflect.Uint32 && c.Size == 4 && c.Encoding == btf.Unsigned {
			return
		}
	}
	t.Errorf("%s: C has %v, Go %s", path, c, g)
}

// TestNumbers compares what has a name in both languages and is no structure.
func TestNumbers(t *testing.T) {
	types := objectTypes(t)
	for name, values := range map[string][]uint64{
		"ask": {
			layout.AskExec, layout.AskRead, layout.AskWrite, layout.AskMap, layout.AskUnix, layout.AskPeers, layout.AskListen, layout.AskPacket,
			layout.AskSyscall, layout.AskCapability, layout.AskNoSudo, layout.AskSignal, layout.AskPtrace, layout.AskProcesses, layout.AskDevice,
			layout.AskMount, layout.AskModule, layout.AskBPF, layout.AskSettime, layout.AskKeyring, layout.AskIOUring, layout.AskPrctl,
			layout.AskMetadata, layout.AskIdentity, layout.AskSyscallKill,
		},
		"subject_flag": {layout.Enforces, layout.Inherits, layout.Contained},
		"claim_flag":   {layout.WithUsers, layout.WithSHA256},
		"class":        {uint64(compile.ClassExec), uint64(compile.ClassRead), uint64(compile.ClassWrite), uint64(compile.ClassMap), uint64(compile.ClassUnix)},
		"protocol":     {uint64(compile.ProtocolTCP), uint64(compile.ProtocolUDP), uint64(compile.ProtocolOther)},
	} {
		var e *btf.Enum
		if err := types.TypeByName(name, &e); err != nil {
			t.Errorf("enum %s: %v", name, err)
			continue
		}
		if len(e.Values) != len(values) {
			t.Errorf("enum %s: C has %d, Go %d", name, len(e.Values), len(values))
			continue
		}
		for i, v := range e.Values {
			if v.Value != values[i] {
				t.Errorf("%s: %#x in C, %#x in Go", v.Name, v.Value, values[i])
			}
		}
	}
}

func objectTypes(t *testing.T) *btf.Spec {
	t.Helper()
	spec, err := loadParity()
	if err != nil {
		t.Fatal(err)
	}
	return spec.Types
}
