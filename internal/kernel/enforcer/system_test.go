//go:build linux

package enforcer

import (
	"slices"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/internal/syscalls"
)

// TestHooksOfCalls holds the programs to what package syscalls promises of hooks.
func TestHooksOfCalls(t *testing.T) {
	spec, err := systemSpec()
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]bool{}
	for _, h := range systemFamily().hooks {
		p := spec.Programs[h.program]
		if p == nil {
			t.Fatalf("the object has no program %s", h.program)
		}
		programs[p.AttachTo] = true
	}
	for _, name := range syscalls.Names() {
		hook := syscalls.Hook(name)
		if _, known := hookNumbers[hook]; !known {
			t.Errorf("%s: the programs have no number for %q", name, hook)
		}
		for part := range strings.FieldsSeq(hook) {
			if part != "and" && part != "or" && !programs[part] {
				t.Errorf("%s: there is no program at %s", name, part)
			}
		}
	}
	var amd64 [548]uint8
	if err := spec.Variables[systemVarHookAmd64].Get(&amd64); err != nil {
		t.Fatal(err)
	}
	number, _ := syscalls.Number("mount", false)
	if amd64[number] != uint8(systemHookHOOK_MOUNT) || amd64[521] != uint8(systemHookHOOK_PTRACE) || slices.Max(amd64[:]) >= uint8(systemHookHOOKS) {
		t.Errorf("the table is not filled in: %v", amd64)
	}
}
