//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func bpfTechniques() []technique {
	trusted := func(name string, do func(e *Env) error) technique {
		return technique{name: name, before: trust, attempt: do, then: loadProgram}
	}
	return []technique{
		{name: "bpf: load a program", attempt: loadProgram},
		{name: "bpf: make a map", attempt: func(*Env) error { return makeMap() }},
		{name: "bpf: by a thread", attempt: func(*Env) error { return onThread(makeMap) }},
		{name: "bpf: by a child", attempt: byChild, then: loadProgram},
		{name: "bpf: by 32-bit call", attempt: func(*Env) error { return makeMap32() }},
		{name: "bpf: look for programs", attempt: func(*Env) error { return ask4ID() }},
		{name: "bpf: as another user", attempt: func(*Env) error {
			return onThread(func() error { return errors.Join(asNobody(unix.CAP_SYS_ADMIN, unix.CAP_BPF), makeMap()) })
		}},
		trusted("bpf: by a link to who may", func(e *Env) error {
			return errors.Join(os.Link(e.program("attacker"), e.work("trusted")), become(e.work("trusted")))
		}),
		trusted("bpf: under the path of who may, in own mounts", func(e *Env) error {
			runtime.LockOSThread()
			if err := errors.Join(ownMounts(), unix.Mount(e.program("attacker"), e.vault("trusted"), "", unix.MS_BIND, "")); err != nil {
				return err
			}
			return become(e.vault("trusted"))
		}),
		trusted("bpf: under the path of who may, in a chroot", func(e *Env) error {
			path := filepath.Join(e.Work, e.vault("trusted"))
			err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), copyFile(e.program("attacker"), path), unix.Chroot(e.Work), os.Chdir("/"))
			if err != nil {
				return err
			}
			if err = become(e.vault("trusted")); errors.Is(err, unix.ENOENT) {
				return lacks("the test binary needs libraries: build it with CGO_ENABLED=0")
			}
			return err
		}),
		trusted("bpf: in the place of who may", func(e *Env) error {
			if err := errors.Join(copyFile(e.program("attacker"), e.work("new")), os.Rename(e.work("new"), e.vault("trusted"))); err != nil {
				return err
			}
			return become(e.vault("trusted"))
		}),
		trusted("bpf: by who may, traced", func(e *Env) error { return injectBPF(e) }),
	}
}

// trust leaves a copy of the program that may use bpf.
func trust(e *Env) error { return copyFile(e.program("attacker"), e.vault("trusted")) }

// address is where a slice's bytes lie. They must outlive the call that it is for.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

// lowMemory lies below 2 GiB.
func lowMemory() ([]byte, error) {
	return unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_32BIT)
}

// bpf calls bpf(2), and closes the descriptor that it makes.
func bpf(command int, attributes []byte) error {
	fd, _, e := unix.Syscall(unix.SYS_BPF, uintptr(command), address(attributes), uintptr(len(attributes)))
	if e != 0 {
		return fmt.Errorf("bpf: %w", e)
	}
	if command == unix.BPF_MAP_CREATE || command == unix.BPF_PROG_LOAD {
		return unix.Close(int(fd))
	}
	return nil
}

// loadProgram loads a socket filter that does nothing.
func loadProgram(*Env) error {
	instructions := []byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0} // r0 = 0; exit
	license := []byte("GPL\x00")
	attributes := &struct {
		kind, count           uint32
		instructions, license uint64
		_                     [12]uint64
	}{unix.BPF_PROG_TYPE_SOCKET_FILTER, 2, uint64(address(instructions)), uint64(address(license)), [12]uint64{}}
	err := bpf(unix.BPF_PROG_LOAD, (*[120]byte)(unsafe.Pointer(attributes))[:])
	runtime.KeepAlive(instructions)
	runtime.KeepAlive(license)
	return err
}

// arrayMap is what BPF_MAP_CREATE wants for an array of one number.
func arrayMap(b []byte) []byte {
	copy(unsafe.Slice((*uint32)(unsafe.Pointer(&b[0])), 4), []uint32{unix.BPF_MAP_TYPE_ARRAY, 4, 4, 1})
	return b[:72]
}

func makeMap() error { return bpf(unix.BPF_MAP_CREATE, arrayMap(make([]byte, 72))) }

func makeMap32() error {
	low, err := lowMemory()
	if err != nil {
		return err
	}
	return call32(357, unix.BPF_MAP_CREATE, int(address(arrayMap(low))), 72)
}

// ask4ID asks for the first of all programs.
func ask4ID() error {
	err := bpf(unix.BPF_PROG_GET_NEXT_ID, make([]byte, 16))
	if errors.Is(err, unix.ENOENT) {
		return nil // there is none, and the kernel said so
	}
	return err
}

// asNobody keeps these capabilities alone, for this thread.
func asNobody(capabilities ...uint) error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return unfair("keep capabilities", err)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); e != 0 {
		return unfair("setresuid", e)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, c := range capabilities {
		data[c/32].Permitted |= 1 << (c % 32)
		data[c/32].Effective |= 1 << (c % 32)
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return unfair("capset", err)
	}
	return nil
}

// injectBPF starts who may, stops it after its exec, and has it make the call.
func injectBPF(e *Env) error {
	runtime.LockOSThread()
	cmd := exec.Command(e.vault("trusted"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	var registers unix.PtraceRegs
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return err
	}
	if err := unix.PtraceGetRegs(pid, &registers); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	stack := uintptr(registers.Rsp - 256)
	_, err1 := unix.PtracePokeData(pid, uintptr(registers.Rip), []byte{0x0f, 0x05, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}) // syscall
	_, err2 := unix.PtracePokeData(pid, stack, arrayMap(make([]byte, 72)))
	registers.Rax, registers.Rdi, registers.Rsi, registers.Rdx = unix.SYS_BPF, unix.BPF_MAP_CREATE, uint64(stack), 72
	registers.Orig_rax = ^uint64(0)
	if err := errors.Join(err1, err2, unix.PtraceSetRegs(pid, &registers), unix.PtraceSingleStep(pid)); err != nil {
		return fmt.Errorf("change the process: %w", err)
	}
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return err
	}
	if !status.Stopped() {
		return fmt.Errorf("%w: the process ended", errRefused)
	}
	if err := unix.PtraceGetRegs(pid, &registers); err != nil {
		return err
	}
	if n := int64(registers.Rax); n < 0 {
		return fmt.Errorf("bpf: %w", unix.Errno(-n))
	}
	return nil
}
