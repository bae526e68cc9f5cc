package verdict

import (
	"net/netip"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
)

// Actor returns the resolved path of the executable that an event's task was running when it acted. For an exec that
// is the program that asked for the new one: what the process ran before, or if that is not known what its parent runs.
func Actor(e *event.Event) string {
	switch {
	case e.Process == nil:
		return ""
	case e.Kind != event.KindExec:
		return e.Process.Exe
	case e.Exec != nil && e.Exec.Caller != "":
		return e.Exec.Caller
	case len(e.Process.Parents) > 0:
		return e.Process.Parents[0].Exe
	}
	return ""
}

// Accesses returns what an event's task did that a policy can speak of, often nothing. Operations on files that failed
// are left out, because the kernel refused them itself; those on the network are not, because a refused connection
// has left the host. Files without an absolute path, such as pipes, are left out too.
func Accesses(e *event.Event) []Access { return appendAccesses(nil, e) }

func appendAccesses(out []Access, e *event.Event) []Access {
	switch {
	case e.Exec != nil && e.Kind == event.KindExec && e.Errno == 0:
		if e.Exec.Script != "" {
			return append(out, Access{Op: OpExec, Path: e.Exec.Script, Interpreter: e.Exec.File.Path})
		}
		return append(out, Access{Op: OpExec, Path: e.Exec.File.Path})
	case e.File != nil && e.Errno == 0:
		return appendFile(out, e)
	case e.Flow != nil:
		return appendFlow(out, e)
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
		if letters != 0 && strings.HasPrefix(name, "/") && f.Type != "anonymous" {
			out = append(out, Access{Op: OpFile, Path: name, Letters: letters})
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
	default:
		return out
	}
	switch f.Family {
	case "unix":
		a.Path = f.Path
		if a.Path == "" {
			return out
		}
	case "inet", "inet6":
		addr, err := netip.ParseAddr(ip)
		if err != nil || a.Op == OpBind && port == 0 { // any free port: it says nothing of who may come
			return out
		}
		a.Peer = netip.AddrPortFrom(addr, port)
	case "packet":
	default:
		return out
	}
	return append(out, a)
}
