//go:build linux

package enforcer

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/internal/kernel/probe"
)

// TestSoakVerifier loads each program by itself, so that a refusal names it, and tells what the verifier had to look at. The other
// tests load all of them too, and take less time.
func TestSoakVerifier(t *testing.T) {
	if os.Getenv("STOCKADE_SOAK") == "" {
		t.Skip("set STOCKADE_SOAK=1")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("the kernel does not describe its types: %v", err)
	}
	trampolines := probe.Trampolines()
	for _, f := range families() {
		for _, h := range f.hooks {
			t.Run(f.name+"/"+h.program, func(t *testing.T) {
				switch {
				case h.rung == withLSM && !trampolines:
					t.Skip("needs a kernel with BPF LSM")
				case h.when != nil && !h.when(kernel):
					t.Skip("another variant fits this kernel")
				}
				verify(t, kernel, f, h)
			})
		}
	}
}

func verify(t *testing.T, kernel *btf.Spec, f family, h hook) {
	program := h.program
	spec, err := f.spec()
	if err != nil {
		t.Fatal(err)
	}
	if spec.Programs[program] == nil {
		t.Fatalf("the object has no program %s", program)
	}
	var fn *btf.Func
	if p := spec.Programs[program]; p.Type == ebpf.LSM && kernel.TypeByName("bpf_lsm_"+p.AttachTo, &fn) != nil {
		if h.without != "" {
			t.Errorf("this kernel has no hook %s", p.AttachTo)
		}
		t.Skipf("this kernel has no hook %s; another one does its work", p.AttachTo)
	}
	spec.Programs = map[string]*ebpf.ProgramSpec{program: spec.Programs[program]}
	spec.Maps["images"].InnerMap.ValueSize = 4 * minWords
	if err := spec.Variables["image_mask"].Set(uint32(minWords - 1)); err != nil {
		t.Fatal(err)
	}
	c, err := ebpf.NewCollection(spec)
	if refused, ok := errors.AsType[*ebpf.VerifierError](err); ok {
		t.Log(strings.Join(refused.Log[max(0, len(refused.Log)-60):], "\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	info, err := c.Programs[program].Info()
	if err != nil {
		t.Fatal(err)
	}
	n, _ := info.VerifiedInstructions()
	t.Logf("%d instructions verified", n)
}
