package show

import (
	"net/netip"
	"strconv"

	"github.com/stockade-security/stockade/event"
)

func (l *line) detailFile(e *event.Event) bool {
	switch e.Kind {
	case event.KindFileOpen, event.KindFileCreate, event.KindFileDelete, event.KindFileRename, event.KindFileLink,
		event.KindFileChmod, event.KindFileChown, event.KindFileTruncate, event.KindFileXattr, event.KindLibrary:
		if e.File != nil {
			l.file(e.Kind, e.File)
		}
	case event.KindFileVolume:
		if e.File != nil {
			l.name(e.File.Path)
		}
		l.traffic(e.Volume)
	default:
		return false
	}
	return true
}

func (l *line) file(kind event.Kind, f *event.File) {
	if kind == event.KindFileXattr {
		l.word(f.XattrOp)
		l.named("", f.Xattr)
		l.word("on")
	}
	l.name(f.Path)
	l.named("->", f.Target)
	l.word(f.Access)
	l.words(f.Flags)
	l.named("mode", f.Mode)
	if f.UID != nil {
		l.number("uid", uint64(*f.UID))
	}
	if f.GID != nil {
		l.number("gid", uint64(*f.GID))
	}
	if f.Size != nil {
		l.bytes("to", uint64(max(*f.Size, 0)))
	}
	if f.Type != "" && f.Type != "file" {
		l.tag(f.Type, "")
	}
}

func (l *line) detailFlow(e *event.Event) bool {
	switch e.Kind {
	case event.KindConnect, event.KindAccept, event.KindBind, event.KindListen, event.KindSend:
		if e.Flow != nil {
			l.flow(e.Flow)
			l.lasting("in", e.Flow.DurationNS)
		}
	case event.KindFlowVolume:
		if e.Flow != nil {
			l.flow(e.Flow)
		}
		l.traffic(e.Volume)
	case event.KindExecCount:
		if v := e.Volume; v != nil {
			if e.Process != nil {
				l.named("", e.Process.Exe)
			}
			l.number("run", v.Total)
			l.named("times by", v.User)
			l.named("on", v.Day)
		}
	case event.KindUnitRestart:
		if v := e.Volume; v != nil {
			l.name(v.Unit)
			l.number("restarts", v.Total)
		}
	default:
		return false
	}
	return true
}

func (l *line) flow(f *event.Flow) {
	if f.Protocol != "tcp" && f.Protocol != "udp" {
		l.word(f.Family)
	}
	l.word(f.Protocol)
	l.named("", f.Path)
	if f.Source != "" {
		l.endpoint(f.Source, f.SourcePort)
	}
	if f.Destination != "" {
		l.word("->")
		l.endpoint(f.Destination, f.DestinationPort)
	}
	if f.Interface != 0 {
		l.number("interface", uint64(f.Interface))
	}
	if f.Backlog != 0 {
		l.word("backlog")
		l.word(strconv.Itoa(f.Backlog))
	}
}

// traffic adds what a volume holds; reads and writes are shown even when there were none, for they were counted.
func (l *line) traffic(v *event.Volume) {
	if v == nil {
		return
	}
	l.bytes("read", v.ReadBytes)
	l.bytes("written", v.WriteBytes)
	l.lasting("rtt", uint64(v.RTTMicroseconds)*1000)
	l.lasting("in", v.DurationNS)
}

// endpoint adds an address with its port; an address that is none comes from a damaged record and is a mere name.
func (l *line) endpoint(address string, port uint16) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		l.name(address)
		return
	}
	l.space()
	if port == 0 {
		l.buf = a.AppendTo(l.buf)
		return
	}
	l.buf = netip.AddrPortFrom(a, port).AppendTo(l.buf)
}
