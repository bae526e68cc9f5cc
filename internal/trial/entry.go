package trial

import (
	"fmt"
	"net/netip"
	"path"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// blockList is the key of the list that blocks what the access is, "" if an entry has none.
func (v *variant) blockList() string {
	switch v.access.Op {
	case verdict.OpExec:
		return "blocked_exec"
	case verdict.OpFile:
		return "blocked_files"
	case verdict.OpConnect, verdict.OpSend:
		return "blocked_network"
	case verdict.OpSyscall:
		return "blocked_syscalls"
	case verdict.OpCapability:
		return "blocked_capabilities"
	}
	return ""
}

// entryText is the entry of a list that names what the access is about and nothing else, "" if none can.
func (v *variant) entryText(key string) string {
	a := &v.access
	switch a.Op {
	case verdict.OpExec:
		return escapeGlob(path.Clean(a.Path))
	case verdict.OpFile:
		return escapeGlob(path.Clean(a.Path)) + " " + v.letters(key).String()
	case verdict.OpConnect, verdict.OpSend, verdict.OpBind, verdict.OpListen:
		return v.peerText()
	case verdict.OpSyscall:
		if a.I386 {
			return syscalls.I386(int(a.Number))
		}
		return syscalls.AMD64(int(a.Number))
	case verdict.OpCapability:
		return event.CapabilityName(int(a.Number))
	case verdict.OpSignal, verdict.OpPtrace:
		if v.task.Subject != compile.DefaultSubject {
			return v.img.Subjects[v.task.Subject].Name
		}
	}
	return ""
}

// letters are those of the access that an allow list lacks; a block list needs one of them, the first.
func (v *variant) letters(key string) policy.Access {
	var lacking policy.Access
	one := v.access
	for letter := policy.AccessRead; letter <= policy.AccessExecute; letter <<= 1 {
		if one.Letters = letter; v.access.Letters&letter == 0 {
			continue
		}
		if key != "allowed_files" {
			return letter
		}
		if verdict.Decide(v.img, v.task, &one).Denied {
			lacking |= letter
		}
	}
	return lacking
}

// peerText prefers a name that is known to have led to the address.
func (v *variant) peerText() string {
	a := &v.access
	if a.Path != "" {
		return "unix:" + escapeGlob(a.Path)
	}
	if !a.Peer.IsValid() {
		return ""
	}
	peer := netip.AddrPortFrom(policy.NormalAddr(a.Peer.Addr()), a.Peer.Port())
	text := peer.String()
	if len(a.Names) > 0 {
		text = fmt.Sprintf("%s:%d", strings.TrimSuffix(strings.ToLower(a.Names[0]), "."), peer.Port())
	}
	if a.Protocol == "tcp" || a.Protocol == "udp" {
		text += "/" + a.Protocol
	}
	return text
}
