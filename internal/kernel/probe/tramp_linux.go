package probe

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// errSilent: the program was attached, and the kernel never called it.
var errSilent = errors.New("attached, but the kernel does not call it")

// Trampolines reports whether LSM programs can be attached here and are really called; fexit programs then can be too, for both
// are called through the same trampolines. Attaching alone would prove nothing: without bpf in the list of active LSMs
// the kernel attaches an LSM program and never calls it.
//
// The answer comes in some 20 ms. The program is taken away behind the caller's back, since the kernel makes the one who
// detaches wait for all tasks, up to some 100 ms on 6.1.
func Trampolines() bool {
	attached, err := attachLSM()
	if attached != nil {
		go func() { _ = attached.Close() }()
	}
	return err == nil
}

// tryLSM tells what keeps LSM programs from being called, if anything does.
func tryLSM() error { return closing(attachLSM()) }

// tryFexit tells the same of fexit programs.
func tryFexit() error { return closing(attachFexit()) }

// closing closes what was attached, if anything was.
func closing(attached io.Closer, err error) error {
	if attached == nil {
		return err
	}
	return errors.Join(err, attached.Close())
}

// attachLSM attaches a program to a hook that this process can trigger without an effect, and triggers it: reading a process group.
// What it returns must be closed, with an error too.
func attachLSM() (io.Closer, error) {
	return call(&ebpf.ProgramSpec{Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "task_getpgid"},
		func(p *ebpf.Program) (link.Link, error) { return link.AttachLSM(link.LSMOptions{Program: p}) },
		func(*ebpf.Program) error {
			// With 0 for the process the kernel does not ask its LSMs.
			_, err := unix.Getpgid(os.Getpid())
			return err
		})
}

// attachFexit attaches to the function that the kernel keeps for tests of such programs, and has the kernel call it.
func attachFexit() (io.Closer, error) {
	return call(&ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFExit, AttachTo: "bpf_fentry_test1"},
		func(p *ebpf.Program) (link.Link, error) { return link.AttachTracing(link.TracingOptions{Program: p}) },
		func(p *ebpf.Program) error {
			_, err := p.Run(&ebpf.RunOptions{})
			return err
		})
}

// call loads spec with instructions that leave a mark, attaches it, triggers it, and looks for the mark.
func call(spec *ebpf.ProgramSpec, how func(*ebpf.Program) (link.Link, error), trigger func(*ebpf.Program) error) (io.Closer, error) {
	mark, err := newMark()
	if err != nil {
		return nil, fmt.Errorf("make a map: %w", err)
	}
	defer mark.Close()
	spec.Name, spec.License, spec.Instructions = programName, license, marking(mark)
	p, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer p.Close()
	l, err := how(p)
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	if err := trigger(p); err != nil {
		return l, fmt.Errorf("trigger: %w", err)
	}
	called, err := marked(mark)
	if err == nil && !called {
		err = errSilent
	}
	return l, err
}
