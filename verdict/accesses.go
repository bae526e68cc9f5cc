package verdict

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
)

// Accesses returns what an event's task did that a policy can speak of, often nothing; Target is left to Judge. What
// failed is left out, because the kernel refused it itself; but not what a policy had refused, nor connections, because a refused one has left the
// host, and not system calls, because rules about them hold before the kernel looks. Files without an absolute path,
// such as pipes, are left out too.
func Accesses(e *event.Event) []Access { return appendAccesses(nil, e) }

func appendAccesses(out []Access, e *event.Event) []Access {
	if e.Flow != nil {
		return appendFlow(out, e)
	}
	if name := syscall(e); name != "" {
		out = appendSyscall(out, e, name)
	}
	if e.Errno != 0 && !blocked(e) {
		return out
	}
	switch {
	case e.File != nil:
		return appendFile(out, e)
	case e.Kind == event.KindExec && e.Exec != nil:
		a := Access{Op: OpExec, Path: e.Exec.File.Path, GainsPrivilege: e.Exec.Setuid}
		if e.Exec.Script != "" {
			a.Path, a.Interpreter = e.Exec.Script, a.Path
		}
		return append(out, a)
	case e.Signal != nil:
		return append(out, Access{Op: OpSignal})
	case e.Ptrace != nil:
		return append(out, Access{Op: OpPtrace})
	case e.Kind == event.KindModuleLoad && e.Module != nil:
		return append(out, Access{Op: OpModule, Name: e.Module.Name})
	case e.BPF != nil:
		return append(out, Access{Op: OpBPF})
	case e.Mount != nil:
		return appendMount(out, e.Mount)
	case e.Capability != nil && e.Capability.Granted:
		for n := range uint32(64) {
			if event.CapabilityName(int(n)) == e.Capability.Name {
				return append(out, Access{Op: OpCapability, Number: n})
			}
		}
	case e.Call != nil:
		return appendCall(out, e)
	}
	return out
}

// blocked reports whether it was a policy that the operation failed by: another one may allow it.
func blocked(e *event.Event) bool {
	return slices.ContainsFunc(e.Violations, func(v event.Violation) bool { return v.Action == event.ActionBlocked })
}

// syscall is the name of the call that an event stands for, where it tells one.
func syscall(e *event.Event) string {
	switch {
	case e.Call != nil:
		return e.Call.Syscall
	case e.BPF != nil:
		return "bpf"
	case e.Ptrace != nil && strings.HasPrefix(e.Ptrace.Request, "PTRACE_"):
		return "ptrace"
	case e.Ptrace != nil:
		return e.Ptrace.Request
	case e.Credential != nil:
		return e.Credential.Operation
	case e.Namespace != nil:
		return e.Namespace.Operation
	}
	return ""
}

func appendSyscall(out []Access, e *event.Event, name string) []Access {
	i386 := e.Call != nil && e.Call.ABI == "i386"
	number, ok := syscalls.Number(name, i386)
	if !ok {
		return out
	}
	return append(out, Access{Op: OpSyscall, Number: number, I386: i386})
}

// appendMount knows the operations that have a source. Others change or move what is mounted already.
func appendMount(out []Access, m *event.Mount) []Access {
	switch m.Operation {
	case "mount", "bind", "open_tree":
		if m.Source != "" {
			return append(out, Access{Op: OpMount, Path: m.Source})
		}
	}
	return out
}

func appendCall(out []Access, e *event.Event) []Access {
	switch e.Kind {
	case event.KindSettime:
		return append(out, Access{Op: OpSettime})
	case event.KindKeyring:
		return append(out, Access{Op: OpKeyring})
	case event.KindIOUring:
		return append(out, Access{Op: OpIOUring})
	case event.KindPrctl:
		// The sensor writes numbers that it has no name for.
		if option, ok := syscalls.PrctlOption(e.Call.Operation); ok {
			return append(out, Access{Op: OpPrctl, Number: option})
		}
		if n, err := strconv.ParseUint(e.Call.Operation, 10, 32); err == nil {
			return append(out, Access{Op: OpPrctl, Number: uint32(n)})
		}
	}
	return out
}

func appendFile(out []Access, e *event.Event) []Access {
	f := e.File
	target := ""
	var letters policy.Access
	switch e.Kind {
	case event.KindFileOpen:
		letters, _ = policy.ParseAccess(f.Access)
	case event.KindLibrary:
		letters = policy.AccessExecute
	case event.KindFileLink:
		letters = policy.AccessWrite
		if f.Type != "symlink" { // a symbolic link's target is only text
			target = f.Target
		}
	case event.KindFileRename:
		letters, target = policy.AccessWrite, f.Target
	case event.KindFileCreate, event.KindFileDelete, event.KindFileChmod, event.KindFileChown, event.KindFileTruncate, event.KindFileXattr:
		letters = policy.AccessWrite
	}
	for _, name := range [...]string{f.Path, target} {
		// The beginning is missing from a truncated name that the kernel resolved.
		if letters != 0 && (strings.HasPrefix(name, "/") || f.PathTruncated && name != "") && f.Type != "anonymous" {
			out = append(out, Access{Op: OpFile, Path: name, Truncated: f.PathTruncated, Letters: letters})
		}
	}
	return out
}

func appendFlow(out []Access, e *event.Event) []Access {
	f := e.Flow
	a := Access{Protocol: f.Protocol}
	ip, port := f.Destination, f.DestinationPort
	switch e.Kind {
	case event.KindConnect:
		a.Op = OpConnect
	case event.KindSend:
		a.Op = OpSend
	case event.KindBind:
		a.Op, ip, port = OpBind, f.Source, f.SourcePort
		if f.AnyPort {
			port = 0
		}
	case event.KindListen:
		a.Op, ip, port = OpListen, f.Source, f.SourcePort
	default:
		return out
	}
	switch f.Family {
	case "unix":
		return appendUnix(out, a, f.Path)
	case "inet", "inet6":
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return out
		}
		a.Peer = netip.AddrPortFrom(addr, port)
	case "", "netlink":
		return out
	} // the others are as packet sockets: no address tells what they reach
	return append(out, a)
}

// appendUnix knows that binding a name in the file system makes a file there.
func appendUnix(out []Access, a Access, name string) []Access {
	switch {
	case a.Op == OpBind && strings.HasPrefix(name, "/"):
		return append(out, Access{Op: OpFile, Path: name, Letters: policy.AccessWrite})
	case a.Op == OpConnect && name != "", a.Op == OpSend && name != "":
		a.Path = name
		return append(out, a)
	}
	return out
}
