//go:build linux

package enforcer

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// Drain hands over every denial that waits, and returns. The record and its memory are reused.
func (e *Enforcer) Drain(each func(*kernel.Record) error) error {
	var raw ringbuf.Record
	var rec kernel.Record
	for {
		e.reader.SetDeadline(time.Unix(1, 0)) // in the past: it does not wait
		err := e.reader.ReadInto(&raw)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a denial: %w", err)
		}
		if err := rec.Parse(raw.RawSample); err != nil {
			return fmt.Errorf("decode a denial: %w", err)
		}
		e.found(&rec)
		if err := each(&rec); err != nil {
			return err
		}
	}
}

// Decode fills an event's detail from the record of a denial. accuse adds the violation, once the event has its process.
func (e *Enforcer) Decode(r *kernel.Record, ev *event.Event) (accuse func(), err error) {
	body, err := kernel.Body[fileDenial](r)
	if err != nil {
		return nil, err
	}
	first, cut, err := text(r)
	if err != nil {
		return nil, err
	}
	second, _, err := text(r)
	if err != nil {
		return nil, err
	}
	d := denial{body: body, first: first, second: second, cut: cut}
	d.describe(ev)
	var by known
	if v, ok := e.images.Load(body.Generation); ok {
		by, _ = v.(known)
	}
	return func() { ev.Violations = []event.Violation{d.violation(by.image, by.mode, r, ev)} }, nil
}

// text takes the next string of a record, "" if there is none.
func text(r *kernel.Record) (s string, cut bool, err error) {
	s, cut, err = r.Text()
	if errors.Is(err, kernel.ErrShortRecord) {
		return "", false, nil
	}
	return s, cut, err
}

// denial is a decoded record.
type denial struct {
	body          *fileDenial
	first, second string
	cut           bool
}

// describe fills in what was attempted.
func (d *denial) describe(e *event.Event) {
	b := d.body
	switch {
	case e.Kind == event.KindExec:
		e.Exec = &event.Exec{File: d.file()}
	case strings.HasPrefix(string(e.Kind), "file_") || e.Kind == event.KindLibrary:
		f := d.file()
		f.Access, f.Target = policy.Access(b.Letters).String(), d.second
		e.File = &f
	case e.Kind == event.KindConnect, e.Kind == event.KindSend, e.Kind == event.KindBind, e.Kind == event.KindListen, e.Kind == event.KindAccept:
		e.Flow = d.flow(e.Kind)
	case e.Kind == event.KindSignal:
		e.Signal = &event.Signal{Number: int(b.Number), Name: event.SignalName(int(b.Number)), Target: event.Ref{PID: int(b.TargetPid)}}
	case e.Kind == event.KindPtrace:
		e.Ptrace = &event.Ptrace{Target: event.Ref{PID: int(b.TargetPid)}}
	case e.Kind == event.KindCapability:
		e.Capability = &event.Capability{Name: event.CapabilityName(int(b.Number))}
	case e.Kind == event.KindModuleLoad:
		e.Module = &event.Module{Name: d.first}
	case e.Kind == event.KindMount, e.Kind == event.KindUmount:
		e.Mount = &event.Mount{Source: d.first}
	}
}

func (d *denial) file() event.File {
	f := kernel.File(d.first, d.body.Object.Inode, d.body.Object.Device, d.body.Object.Mode)
	f.PathTruncated = d.cut
	return f
}

// The families and protocols of the kernel (include/linux/socket.h, include/uapi/linux/in.h).
var familyNames = map[uint16]string{1: "unix", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet"}

// typeRaw is SOCK_RAW: such a socket speaks anything, whatever protocol it was opened for.
const typeRaw = 3

func (d *denial) flow(kind event.Kind) *event.Flow {
	b := d.body
	f := &event.Flow{Path: d.first, Protocol: protocolName(b.Protocol), Family: cmp.Or(familyNames[b.Family], strconv.Itoa(int(b.Family)))}
	if b.Number == typeRaw {
		f.Protocol = "raw"
	}
	var ip string
	switch b.Family {
	case 2:
		ip = netip.AddrFrom4([4]byte(b.Address[:4])).String()
	case 10:
		ip = netip.AddrFrom16(b.Address).String()
	}
	if kind == event.KindBind || kind == event.KindListen {
		f.Source, f.SourcePort = ip, b.Port
	} else {
		f.Destination, f.DestinationPort = ip, b.Port
	}
	return f
}

func protocolName(number uint16) string {
	switch number {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 1:
		return "icmp"
	case 58:
		return "icmpv6"
	case 132:
		return "sctp"
	case 262:
		return "mptcp"
	}
	return ""
}

// access is what verdict would have been asked.
func (d *denial) access(e *event.Event) verdict.Access {
	b := d.body
	a := verdict.Access{
		Op: verdict.Op(b.Op), Path: d.first, Truncated: d.cut, Letters: policy.Access(b.Letters), Number: b.Number, I386: b.I386 != 0,
		Target: b.TargetSubject, Name: d.first,
	}
	if f := e.Flow; f != nil {
		a.Protocol = f.Protocol
		ip, port := f.Destination, f.DestinationPort
		if ip == "" {
			ip, port = f.Source, f.SourcePort
		}
		if addr, err := netip.ParseAddr(ip); err == nil {
			a.Peer, a.Path = netip.AddrPortFrom(addr, port), ""
		}
	}
	return a
}

// violation says what the program decided, and why. Without the image of its policy the numbers must do.
func (d *denial) violation(img *compile.Image, mode policy.Mode, r *kernel.Record, e *event.Event) event.Violation {
	var v event.Violation
	if img == nil || int(r.Rule) >= len(img.Decisions) {
		v = event.Violation{
			Timestamp: e.Time, Severity: event.SeverityHigh, PolicyMode: string(policy.ModeEnforce), Mechanism: string(e.Evidence), WouldDeny: true,
			Detail: fmt.Sprintf("decision %d of a policy that is no longer known", r.Rule),
		}
	} else {
		a := d.access(e)
		v = verdict.Violation(img, mode, e, verdict.Task{Subject: r.Subject}, &a, verdict.Decision{Denied: true, ID: r.Rule})
	}
	switch reasons[d.body.Reason] {
	case "name_too_long":
		v.Detail += ": its name is too long, or kept changing"
	case "no_name":
		v.Detail += ": no name of it could be found"
	case "no_memory":
		v.Detail += ": there was no memory to name it"
	case "no_hook":
		v.Detail += ": this kernel has no hook to judge what it could do"
	}
	switch fileDenialAction(r.Action) {
	case fileDenialActionACTION_BLOCKED:
		v.Action = event.ActionBlocked
	case fileDenialActionACTION_KILLED:
		v.Action = event.ActionKilled
	case fileDenialActionACTION_GLASS:
		v.Detail += ": let pass by break-glass"
	}
	return v
}
