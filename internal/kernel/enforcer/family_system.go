//go:build linux

package enforcer

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy/layout"
)

func systemFamily() family {
	const calls = layout.AskSyscall
	return family{name: "system", spec: systemSpec, hooks: []hook{
		{program: "enforce_kill", asks: layout.AskSignal, rung: withLSM, without: "signals"},
		{program: "enforce_nice", asks: layout.AskSignal, rung: withLSM, without: "priorities"},
		{program: "enforce_sched", asks: layout.AskSignal, rung: withLSM, without: "schedulers"},
		{program: "enforce_ioprio", asks: layout.AskSignal, rung: withLSM, without: "priorities of input and output"},
		{program: "enforce_rlimit", asks: layout.AskSignal, rung: withLSM, without: "resource limits of other processes"},
		{program: "enforce_movemem", asks: layout.AskSignal, rung: withLSM, without: "moving other processes' memory"},
		{program: "enforce_ptrace", asks: layout.AskPtrace | calls, rung: withLSM, without: "tracing"},
		{program: "enforce_traceme", asks: layout.AskPtrace | calls, rung: withLSM, without: "being traced"},
		{program: "enforce_capable", asks: layout.AskCapability, rung: withLSM, without: "capabilities"},
		{program: "enforce_prctl", asks: layout.AskPrctl | calls, rung: withLSM, without: "prctl"},
		{program: "enforce_bpf", asks: layout.AskBPF | calls, rung: withLSM, without: "bpf"},
		{program: "enforce_settime", asks: layout.AskSettime | calls, rung: withLSM, without: "setting the clock"},
		{program: "enforce_adjust", asks: layout.AskSettime, rung: withLSM, without: "adjusting the clock"},
		{program: "enforce_key", asks: layout.AskKeyring, rung: withLSM, without: "use of keys"},
		{program: "enforce_keyadd", asks: layout.AskKeyring, rung: withLSM, without: "making keys"},
		{program: "enforce_uring", asks: layout.AskIOUring, rung: withLSM, without: "io_uring"},
		{program: "enforce_chroot", asks: calls, rung: withLSM, without: "chroot"},
		{program: "enforce_pivot", asks: calls, rung: withLSM, without: "pivot_root"},
		{program: "enforce_umount", asks: calls, rung: withLSM, without: "umount2"},
		{program: "enforce_perf", asks: calls, rung: withLSM, without: "perf_event_open"},
		{program: "enforce_socket", asks: calls, rung: withLSM, without: "socket and socketpair"},
		{program: "enforce_modread", asks: layout.AskModule, rung: withLSM, without: "loading modules from files"},
		{program: "enforce_moddata", asks: layout.AskModule, rung: withLSM, without: "loading modules from memory"},
		{program: "enforce_kread", asks: calls, rung: withLSM, without: "finit_module and kexec_file_load"},
		{program: "enforce_kload", asks: calls, rung: withLSM, without: "init_module and kexec_load"},
		{program: "enforce_mount", asks: layout.AskMount | calls, rung: withLSM, without: "mount"},
		{program: "enforce_sb", asks: layout.AskMount, rung: withLSM, without: "mounts of devices by other names"},
		{program: "enforce_move", asks: layout.AskMount | calls, rung: withLSM, without: "move_mount"},
		{program: "enforce_call", asks: layout.AskSyscallKill, rung: withLSM},
		{program: "enforce_calls", asks: calls, rung: withoutLSM},
	}}
}

// hookNumbers are the hooks of package syscalls as the programs number them.
var hookNumbers = map[string]systemHook{
	"":                                       systemHookHOOK_NONE,
	"bpf":                                    systemHookHOOK_BPF,
	"path_chroot":                            systemHookHOOK_CHROOT,
	"kernel_load_data or kernel_read_file":   systemHookHOOK_LOAD,
	"sb_mount":                               systemHookHOOK_MOUNT,
	"move_mount":                             systemHookHOOK_MOVE,
	"perf_event_open":                        systemHookHOOK_PERF,
	"sb_pivotroot":                           systemHookHOOK_PIVOT,
	"ptrace_access_check and ptrace_traceme": systemHookHOOK_PTRACE,
	"settime":                                systemHookHOOK_SETTIME,
	"task_prctl":                             systemHookHOOK_PRCTL,
	"socket_create":                          systemHookHOOK_SOCKET,
	"sb_umount":                              systemHookHOOK_UMOUNT,
}

// systemSpec fills in which hook judges which call.
func systemSpec() (*ebpf.CollectionSpec, error) {
	spec, err := loadSystem()
	if err != nil {
		return nil, err
	}
	var amd64 [548]uint8
	var i386 [512]uint8
	for n := range amd64 {
		amd64[n] = uint8(hookNumbers[syscalls.Hook(syscalls.X32(n))])
	}
	for n := range i386 {
		i386[n] = uint8(hookNumbers[syscalls.Hook(syscalls.I386(n))])
	}
	for name, table := range map[string]any{systemVarHookAmd64: amd64, systemVarHookI386: i386} {
		if err := spec.Variables[name].Set(table); err != nil {
			return nil, fmt.Errorf("constant %s: %w", name, err)
		}
	}
	return spec, nil
}
