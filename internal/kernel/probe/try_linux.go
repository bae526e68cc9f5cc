package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const (
	programName = "stockade_probe"
	license     = "Dual BSD/GPL"
)

// returning is a program that does nothing but return a value: 0 for observers, the value that lets pass for the others.
func returning(value int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, value), asm.Return()}
}

// marking stores 1 in the first value of an array map, then returns 0.
func marking(m *ebpf.Map) asm.Instructions {
	return append(asm.Instructions{
		asm.LoadMapValue(asm.R1, m.FD(), 0),
		asm.Mov.Imm(asm.R2, 1),
		asm.StoreMem(asm.R1, 0, asm.R2, asm.DWord),
	}, returning(0)...)
}

// newMark makes the map for marking.
func newMark() (*ebpf.Map, error) {
	return ebpf.NewMap(&ebpf.MapSpec{Name: "probe_mark", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
}

// marked reports whether a marking program has run.
func marked(m *ebpf.Map) (bool, error) {
	var value uint64
	if err := m.Lookup(uint32(0), &value); err != nil {
		return false, fmt.Errorf("read the mark: %w", err)
	}
	return value == 1, nil
}

// load loads a program and closes it.
func load(spec *ebpf.ProgramSpec) error {
	return attach(spec, nil)
}

// attach loads a program, attaches it, and takes both away. Without an attach function it only loads.
func attach(spec *ebpf.ProgramSpec, how func(*ebpf.Program) (link.Link, error)) error {
	spec.Name, spec.License = programName, license
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer prog.Close()
	if how == nil {
		return nil
	}
	l, err := how(prog)
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return l.Close()
}

// cause shortens an error to one line: of the verifier's log only its last line of substance.
func cause(err error) string {
	var v *ebpf.VerifierError
	if !errors.As(err, &v) {
		// The library takes every EPERM for a memory limit, which kernels since 5.11 do not have.
		text, _, _ := strings.Cut(err.Error(), " (MEMLOCK")
		return strings.Join(strings.Fields(text), " ")
	}
	text := "load: " + v.Cause.Error()
	for i := len(v.Log) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(v.Log[i]); line != "" && !strings.HasPrefix(line, "processed ") {
			return text + ": " + line
		}
	}
	return text
}

// checkBPF tries bpf(2) itself.
func checkBPF() error {
	m, err := newMark()
	if err == nil {
		return m.Close()
	}
	e := &Error{Lack: NoBPF, text: "the kernel refuses bpf(2)", err: err}
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, ebpf.ErrNotSupported):
		e.hint = "boot a kernel built with CONFIG_BPF_SYSCALL=y"
	default:
		e.hint = "a seccomp profile or a security module forbids it: run the guard outside of a container, as root"
	}
	return e
}

// checkKernelReads tries to load a program that reads kernel memory. Under lockdown=confidentiality the helper does not exist
// (security_locked_down(LOCKDOWN_BPF_READ_KERNEL) in kernel/trace/bpf_trace.c).
func checkKernelReads() error {
	err := load(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: append(asm.Instructions{
		asm.Mov.Reg(asm.R3, asm.R1),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, -8),
		asm.Mov.Imm(asm.R2, 8),
		asm.FnProbeReadKernel.Call(),
	}, returning(0)...)})
	if err == nil {
		return nil
	}
	if plain := load(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: returning(0)}); plain != nil {
		return &Error{
			Lack: NoBPF,
			text: "the kernel refuses tracing programs (" + cause(plain) + ")",
			hint: "boot a kernel built with CONFIG_BPF_EVENTS=y, and run the guard outside of a container, as root",
		}
	}
	return &Error{
		Lack: LockedDown,
		text: "the kernel does not let programs read its memory: it is locked down for confidentiality",
		hint: "boot with lockdown=integrity instead of lockdown=confidentiality",
	}
}

// storage makes a task or socket storage map with eight bytes a value.
func storage(kind ebpf.MapType) (*ebpf.Map, error) {
	return ebpf.NewMap(&ebpf.MapSpec{
		Name: "probe_storage", Type: kind, KeySize: 4, ValueSize: 8, Flags: unix.BPF_F_NO_PREALLOC,
		Key:   &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
		Value: &btf.Int{Name: "long long", Size: 8},
	})
}

// taskStorage tries a program of the given kind that makes storage for the current task and then returns value.
func taskStorage(spec ebpf.ProgramSpec, value int32) error {
	m, err := storage(ebpf.TaskStorage)
	if err != nil {
		return err
	}
	defer m.Close()
	spec.Instructions = append(asm.Instructions{
		asm.FnGetCurrentTaskBtf.Call(),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.R0),
		asm.Mov.Imm(asm.R3, 0),
		asm.Mov.Imm(asm.R4, 1), // BPF_LOCAL_STORAGE_GET_F_CREATE
		asm.FnTaskStorageGet.Call(),
	}, returning(value)...)
	return load(&spec)
}

// socketStorage tries a connect4 program that makes storage for the socket of the call.
func socketStorage() error {
	m, err := storage(ebpf.SkStorage)
	if err != nil {
		return err
	}
	defer m.Close()
	return load(&ebpf.ProgramSpec{
		Type: ebpf.CGroupSockAddr, AttachType: ebpf.AttachCGroupInet4Connect,
		Instructions: append(asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 64, asm.DWord), // offsetof(struct bpf_sock_addr, sk)
			asm.LoadMapPtr(asm.R1, m.FD()),
			asm.Mov.Imm(asm.R3, 0),
			asm.Mov.Imm(asm.R4, 1), // BPF_SK_STORAGE_GET_F_CREATE
			asm.FnSkStorageGet.Call(),
		}, returning(1)...),
	})
}

// loop tries bpf_loop with a callback that ends it at once.
func loop() error {
	pointer := &btf.Pointer{Target: &btf.Void{}}
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	entry := &btf.Func{Name: "stockade_probe", Linkage: btf.GlobalFunc, Type: &btf.FuncProto{
		Return: number, Params: []btf.FuncParam{{Name: "ctx", Type: pointer}},
	}}
	step := &btf.Func{Name: "step", Linkage: btf.StaticFunc, Type: &btf.FuncProto{
		Return: number, Params: []btf.FuncParam{{Name: "i", Type: number}, {Name: "ctx", Type: pointer}},
	}}
	callback := asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R2, Src: asm.PseudoFunc, Constant: -1}
	return load(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: asm.Instructions{
		btf.WithFuncMetadata(asm.Mov.Imm(asm.R1, 4).WithSymbol("stockade_probe"), entry),
		callback.WithReference("step"),
		asm.Mov.Imm(asm.R3, 0),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnLoop.Call(),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
		btf.WithFuncMetadata(asm.Mov.Imm(asm.R0, 1).WithSymbol("step"), step),
		asm.Return(),
	}})
}

// timer tries a syscall program that initialises a timer in an array.
func timer() error {
	u64 := &btf.Int{Name: "unsigned long long", Size: 8}
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	opaque := &btf.Struct{Name: "bpf_timer", Size: 16, Members: []btf.Member{
		{Name: "__opaque", Type: &btf.Array{Type: u64, Index: u32, Nelems: 2}},
	}}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "probe_timer", Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1, Key: u32,
		Value: &btf.Struct{Name: "element", Size: 16, Members: []btf.Member{{Name: "timer", Type: opaque}}},
	})
	if err != nil {
		return err
	}
	defer m.Close()
	return load(&ebpf.ProgramSpec{Type: ebpf.Syscall, Flags: unix.BPF_F_SLEEPABLE, Instructions: append(asm.Instructions{
		asm.LoadMapValue(asm.R1, m.FD(), 0),
		asm.LoadMapPtr(asm.R2, m.FD()),
		asm.Mov.Imm(asm.R3, unix.CLOCK_BOOTTIME),
		asm.FnTimerInit.Call(),
	}, returning(0)...)})
}

// ring tries a ring buffer of one page and a program that writes to it.
func ring() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "probe_ring", Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	if err != nil {
		return err
	}
	defer m.Close()
	return load(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: append(asm.Instructions{
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -8),
		asm.Mov.Imm(asm.R3, 8),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnRingbufOutput.Call(),
	}, returning(0)...)})
}

// taskIterator attaches an iterator and reads it to the end.
func taskIterator() error {
	return attach(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: "task", Instructions: returning(0),
	}, func(p *ebpf.Program) (link.Link, error) {
		it, err := link.AttachIter(link.IterOptions{Program: p})
		if err != nil {
			return nil, err
		}
		r, err := it.Open()
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		_, err = io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, errors.Join(err, it.Close())
		}
		return it, nil
	})
}

// inOwnNetwork runs try on a thread in a new network namespace, whose only device is loopback, number 1. The thread ends with it.
func inOwnNetwork(ctx context.Context, try func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("unforeseen: %v", p)
			}
		}()
		// Never unlocked: the runtime ends the thread, and with it the namespace.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("make a network namespace: %w", err)
			return
		}
		done <- try()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
