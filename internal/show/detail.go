package show

import (
	"path"
	"strconv"

	"github.com/stockade-security/stockade/event"
)

// Detail returns what happened in one escaped line, without who did it, when, and with what result.
// It is empty for a kind that this package does not know.
func Detail(e *event.Event) string {
	var l line
	l.detail(e)
	return string(l.buf)
}

// detail adds the line of an event's detail, whatever family it is of. An event that lacks the detail of its kind
// comes from a damaged or foreign record; its line says so.
func (l *line) detail(e *event.Event) {
	before := len(l.buf)
	if known := l.detailProcess(e) || l.detailFile(e) || l.detailFlow(e) || l.detailSystem(e) || l.detailGuard(e); known && len(l.buf) == before {
		l.word("no details recorded")
	}
}

func (l *line) detailProcess(e *event.Event) bool {
	switch e.Kind {
	case event.KindExec:
		if e.Exec != nil {
			l.exec(e.Exec, e.Process)
		}
	case event.KindFork:
		if e.Fork != nil {
			l.word("child")
			l.ref(e.Fork.Child)
			l.words(e.Fork.Flags)
		}
	case event.KindExit:
		if x := e.Exit; x != nil {
			l.exit(x)
		}
	default:
		return false
	}
	return true
}

func (l *line) exec(x *event.Exec, p *event.Process) {
	l.name(x.File.Path)
	if p != nil && len(p.Argv) > 0 {
		for _, arg := range p.Argv[1:] {
			l.name(arg)
		}
		if p.ArgvTruncated {
			l.tag("more", "")
		}
		// What a process calls itself is worth a remark only when it is not what it is.
		if a0 := p.Argv[0]; a0 != x.File.Path && path.Base(a0) != path.Base(x.File.Path) {
			l.tag("argv0", a0)
		}
	}
	if x.Script != "" {
		l.tag("script", x.Script)
	}
	if x.Caller != "" && x.Caller != x.File.Path {
		l.tag("caller", x.Caller)
	}
	if x.Memfd {
		l.tag("memfd", "")
	}
	if x.Unlinked {
		l.tag("unlinked", "")
	}
	if x.Setuid {
		l.tag("setuid", "")
	}
}

func (l *line) exit(x *event.Exit) {
	switch {
	case x.Signal == 0:
		l.word("status")
		l.word(strconv.Itoa(x.Code))
	case x.SignalName != "":
		l.named("killed by", x.SignalName)
	default:
		l.word("killed by signal " + strconv.Itoa(x.Signal))
	}
	if x.CoreDumped {
		l.tag("core dumped", "")
	}
	l.lasting("after", x.DurationNS)
}

func (l *line) detailSystem(e *event.Event) bool {
	switch e.Kind {
	case event.KindSignal:
		if s := e.Signal; s != nil {
			name := s.Name
			if name == "" {
				name = "signal " + strconv.Itoa(s.Number)
			}
			l.word(name + " to")
			l.ref(s.Target)
		}
	case event.KindPtrace:
		if p := e.Ptrace; p != nil {
			l.word(p.Request)
			l.ref(p.Target)
		}
	case event.KindBPF:
		if b := e.BPF; b != nil {
			l.word(b.Command)
			l.word(b.Type)
			l.named("", b.Name)
		}
	case event.KindModuleLoad, event.KindModuleUnload:
		if m := e.Module; m != nil {
			l.named("", m.Name)
			l.named("from", m.Path)
		}
	case event.KindMount, event.KindUmount:
		if m := e.Mount; m != nil {
			l.mount(m)
		}
	case event.KindCredential:
		if c := e.Credential; c != nil {
			l.credential(c)
		}
	case event.KindCapability:
		if c := e.Capability; c != nil {
			l.word(c.Name)
			l.word(map[bool]string{true: "granted", false: "refused"}[c.Granted])
		}
	case event.KindNamespace:
		if n := e.Namespace; n != nil {
			l.word(n.Operation)
			l.words(n.Types)
		}
	case event.KindMemoryExec:
		if m := e.Memory; m != nil {
			l.word(m.Operation)
			l.word(m.Protection)
			l.bytes("", m.Bytes)
			l.named("of", m.Path)
		}
	default:
		return l.detailCall(e)
	}
	return true
}

func (l *line) detailCall(e *event.Event) bool {
	switch e.Kind {
	case event.KindKexec, event.KindSettime, event.KindPrctl, event.KindKeyring, event.KindIOUring, event.KindXfrm,
		event.KindIPC, event.KindSyscall:
		if c := e.Call; c != nil {
			l.word(c.Syscall)
			l.word(c.ABI)
			l.word(c.Operation)
			l.named("", c.Argument)
		}
	case event.KindOOMKill:
		if o := e.OOM; o != nil {
			l.word("victim")
			l.ref(o.Victim)
			l.bytes("holding", o.ResidentBytes)
		}
	default:
		return false
	}
	return true
}

func (l *line) mount(m *event.Mount) {
	l.word(m.Operation)
	l.named("", m.Source)
	l.named("on", m.Target)
	l.named("type", m.Filesystem)
	l.words(m.Flags)
}

func (l *line) credential(c *event.Credential) {
	l.word(c.Operation)
	l.number("uid", uint64(c.UID))
	l.number("euid", uint64(c.EUID))
	l.number("gid", uint64(c.GID))
	l.number("egid", uint64(c.EGID))
	for _, name := range c.Gained {
		l.word("+" + name)
	}
	for _, name := range c.Dropped {
		l.word("-" + name)
	}
}

func (l *line) detailGuard(e *event.Event) bool {
	switch e.Kind {
	case event.KindPosture:
		if p := e.Posture; p != nil {
			l.word(p.Subject)
			l.name(p.Name)
			l.named("=", p.Value)
			l.named("was", p.Previous)
		}
	case event.KindLoss:
		if o := e.Loss; o != nil {
			l.number("", o.Records)
			l.word("records lost by " + o.Cause)
			l.lasting("within", uint64(max(o.To.Sub(o.From), 0)))
			l.number("total", o.Total)
		}
	case event.KindRetention, event.KindGuard:
		if g := e.Guard; g != nil {
			l.word(g.Action)
			l.named("", g.Detail)
			if g.Bytes > 0 {
				l.bytes("", uint64(g.Bytes))
			}
		}
	default:
		return false
	}
	return true
}
