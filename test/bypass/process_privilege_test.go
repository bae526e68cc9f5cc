//go:build linux

package bypass

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// privilegeGroup is the techniques against rules about privilege: capabilities that the attacker may not use although he has
// them, and programs that would give him more.
func privilegeGroup() group {
	return group{
		control: "privilege",
		policy: func(bin string, _ map[string]*Env) string {
			return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    blocked_capabilities: [CAP_NET_RAW, CAP_CHOWN, CAP_SYS_ADMIN]
  user:
    match: {exe: %q}
    inherit: true
    no_sudo: true
`, bin+"/attacker", bin+"/user")
		},
		programs: []string{"user", "bystander"},
		direct:   technique{name: "raw socket", attempt: func(*Env) error { return rawSocket() }},
		fair: []technique{
			{name: "another capability", attempt: func(*Env) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -1) }},
			{name: "a program without privilege", as: "user", attempt: asUser(func(e *Env) error { return become(e.program("bystander")) }), then: func(*Env) error { return nil }},
		},
		techniques: append(capabilityTechniques(), setuidTechniques()...),
	}
}

func rawSocket() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func capabilityTechniques() []technique {
	return []technique{
		{name: "capability: by a thread", attempt: func(*Env) error { return onThread(rawSocket) }},
		{name: "capability: by a child", attempt: byChild, then: func(*Env) error { return rawSocket() }},
		{name: "capability: by another program", attempt: func(e *Env) error { return become(e.program("bystander")) }, then: func(*Env) error { return rawSocket() }},
		{name: "capability: as another user", attempt: func(*Env) error {
			return onThread(func() error { return errors.Join(asNobody(unix.CAP_NET_RAW), rawSocket()) })
		}},
		{name: "capability: in a user namespace", attempt: func(e *Env) error {
			cmd := exec.Command(e.program("attacker"))
			id := []syscall.SysProcIDMap{{Size: 1}}
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET, UidMappings: id, GidMappings: id}
			return again(e, cmd)
		}, then: func(*Env) error { return rawSocket() }},
		{name: "capability: by io_uring", attempt: func(*Env) error {
			return withRing(0, func(r *ring, _ *pinner) error {
				fd, err := r.do(submission{opcode: ringSocket, fd: unix.AF_INET, offset: unix.SOCK_RAW, length: unix.IPPROTO_ICMP})
				if isInvalid(err) {
					return lacks("this io_uring makes no sockets")
				} else if err != nil {
					return err
				}
				return unix.Close(fd)
			})
		}},
		{name: "capability: by io_uring, lent to it before", attempt: lendCapability},
		{name: "capability: chown", attempt: func(e *Env) error {
			return errors.Join(os.WriteFile(e.work("file"), nil, 0o644), os.Chown(e.work("file"), 12345, 12345))
		}},
		{name: "capability: mount", attempt: mountSomethingElse},
		{
			name: "capability: from a file, as another user", setup: func(e *Env) error { return privileged(e, "capable", 0o755, unix.CAP_NET_RAW) },
			attempt: func(e *Env) error {
				return errors.Join(syscall.Setresgid(65534, 65534, 65534), syscall.Setresuid(65534, 65534, 65534), become(e.vault("capable")))
			}, then: func(*Env) error { return rawSocket() },
		},
	}
}

// lendCapability leaves its credentials with io_uring, changes its own, and has the ring use those that it left.
func lendCapability(*Env) error {
	return onThread(func() error {
		return withRing(0, func(r *ring, _ *pinner) error {
			const registerPersonality = 9
			id, _, e := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerPersonality, 0, 0, 0, 0)
			if e != 0 {
				return fmt.Errorf("io_uring_register: %w", e)
			}
			if err := asNobody(); err != nil {
				return err
			}
			fd, err := r.do(submission{opcode: ringSocket, fd: unix.AF_INET, offset: unix.SOCK_RAW, length: unix.IPPROTO_ICMP, personality: uint16(id)})
			if isInvalid(err) {
				return lacks("this io_uring makes no sockets")
			} else if err != nil {
				return err
			}
			return unix.Close(fd)
		})
	})
}

// asUser gives up all privilege, for all threads, before it tries to win some back.
func asUser(do func(*Env) error) func(*Env) error {
	return func(e *Env) error {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(65534, 65534, 65534), syscall.Setresuid(65534, 65534, 65534)); err != nil {
			return unfair("give up privilege", err)
		}
		return do(e)
	}
}

// privileged leaves a copy of a program with that mode, and with that capability if it is not -1.
func privileged(e *Env, name string, mode uint32, capability int) error {
	path := e.vault(name)
	if err := errors.Join(copyFile(e.program("bystander"), path), unix.Chmod(path, mode)); err != nil {
		return err
	}
	if capability < 0 {
		return nil
	}
	value := binary.LittleEndian.AppendUint32(nil, 0x02000001) // VFS_CAP_REVISION_2, effective
	value = binary.LittleEndian.AppendUint32(value, 1<<capability)
	value = append(value, make([]byte, 12)...)
	if err := unix.Setxattr(path, "security.capability", value, 0); errors.Is(err, unix.ENOTSUP) {
		return lacks("no file capabilities in " + e.Vault)
	} else if err != nil {
		return err
	}
	return nil
}

// gained reports whether this program has more than the one that started it.
func gained(*Env) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	if os.Geteuid() != 65534 || os.Getegid() != 65534 || data[0].Effective != 0 {
		return nil
	}
	return fmt.Errorf("%w: the program runs without more privilege", errRefused)
}

func setuidTechniques() []technique {
	gain := func(name string, mode uint32, capability int, do func(*Env) error) technique {
		return technique{
			name: "privilege: " + name, as: "user", then: gained, attempt: asUser(do),
			setup: func(e *Env) error { return privileged(e, "privileged", mode, capability) },
		}
	}
	run := func(e *Env) error { return become(e.vault("privileged")) }
	return []technique{
		gain("set-user-id", 0o4755, -1, run),
		gain("set-group-id", 0o2755, -1, run),
		gain("file capabilities", 0o755, unix.CAP_NET_ADMIN, run),
		gain("by a child", 0o4755, -1, func(e *Env) error { return again(e, exec.Command(e.vault("privileged"))) }),
		gain("by a symbolic link", 0o4755, -1, func(e *Env) error {
			return errors.Join(os.Symlink(e.vault("privileged"), e.work("link")), become(e.work("link")))
		}),
		gain("by a descriptor", 0o4755, -1, func(e *Env) error {
			fd, err := unix.Open(e.vault("privileged"), unix.O_PATH, 0)
			if err != nil {
				return err
			}
			return become(fmt.Sprintf("/proc/self/fd/%d", fd))
		}),
		gain("by another program", 0o4755, -1, func(e *Env) error {
			err := unix.Exec("/bin/sh", []string{"sh", "-c", `exec "$0"`, e.vault("privileged")}, secondPart())
			return fmt.Errorf("exec: %w", err)
		}),
		gain("by a script", 0o4755, -1, func(e *Env) error {
			script := filepath.Join(e.Work, "script")
			if err := os.WriteFile(script, []byte("#!"+e.vault("privileged")+"\n"), 0o755); err != nil {
				return err
			}
			return become(script)
		}),
	}
}
