//go:build linux

package bypass

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// influenceTechniques slow the victim down, starve it, or see to it that the kernel ends it.
func influenceTechniques() []technique {
	return []technique{
		{name: "setpriority", attempt: func(e *Env) error { return unix.Setpriority(unix.PRIO_PROCESS, e.victim(), 19) }},
		{name: "setpriority of its group", attempt: func(e *Env) error { return unix.Setpriority(unix.PRIO_PGRP, e.victim(), 19) }},
		{name: "sched_setscheduler", attempt: func(e *Env) error {
			priority := int32(0)
			const idle = 5
			if _, _, e := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(e.victim()), idle, uintptr(unsafe.Pointer(&priority))); e != 0 {
				return e
			}
			return nil
		}},
		{name: "sched_setattr", attempt: func(e *Env) error {
			return unix.SchedSetAttr(e.victim(), &unix.SchedAttr{Size: unix.SizeofSchedAttr, Nice: 19}, 0)
		}},
		{name: "sched_setaffinity", attempt: func(e *Env) error {
			var set unix.CPUSet
			set.Set(0)
			return unix.SchedSetaffinity(e.victim(), &set)
		}},
		{name: "ioprio_set", attempt: func(e *Env) error {
			const process, idle = 1, 3 << 13
			return raw(unix.SYS_IOPRIO_SET, process, e.victim(), idle)
		}},
		{name: "prlimit", attempt: func(e *Env) error {
			return unix.Prlimit(e.victim(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 10, Max: 10}, nil)
		}},
		{name: "prlimit of processor time", attempt: func(e *Env) error {
			return unix.Prlimit(e.victim(), unix.RLIMIT_CPU, &unix.Rlimit{Cur: 1, Max: 1}, nil)
		}},
		{name: "oom_score_adj", attempt: func(e *Env) error {
			return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", e.victim()), []byte("1000"), 0)
		}},
		{name: "process_madvise", attempt: pageOut},
		{name: "move_pages", attempt: movePages},
		{name: "migrate_pages", attempt: migratePages},
	}
}

// pageOut has the kernel take the victim's memory back.
func pageOut(e *Env) error {
	process, err := unix.PidfdOpen(e.victim(), 0)
	if err != nil {
		return unfair("pidfd_open", err)
	}
	defer func() { _ = unix.Close(process) }()
	piece := struct{ base, length uint64 }{uint64(e.number("address")), uint64(os.Getpagesize())}
	_, _, errno := unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(process), uintptr(unsafe.Pointer(&piece)), 1, unix.MADV_PAGEOUT, 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.ENOSYS:
		return lacks("no process_madvise")
	}
	return errno
}

// movePages asks where the victim's memory is, and moves it there.
func movePages(e *Env) error {
	page, node, status := uint64(e.number("address")), int32(0), int32(0)
	_, _, errno := unix.Syscall6(unix.SYS_MOVE_PAGES, uintptr(e.victim()), 1, uintptr(unsafe.Pointer(&page)), uintptr(unsafe.Pointer(&node)),
		uintptr(unsafe.Pointer(&status)), 2)
	switch errno {
	case 0:
		return nil
	case unix.ENOSYS:
		return lacks("no move_pages")
	}
	return errno
}

// migratePages moves all its memory from the first node to the first node.
func migratePages(e *Env) error {
	nodes := uint64(1)
	_, _, errno := unix.Syscall6(unix.SYS_MIGRATE_PAGES, uintptr(e.victim()), 64, uintptr(unsafe.Pointer(&nodes)), uintptr(unsafe.Pointer(&nodes)), 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.ENOSYS:
		return lacks("no migrate_pages")
	}
	return errno
}
