package verdict

import (
	"fmt"
	"net/netip"
	"path"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
)

// Op is what a task wants to do.
type Op uint8

// The operations.
const (
	OpExec Op = iota + 1
	OpFile
	OpConnect
	OpSend
	OpBind
)

// Access is one operation on one object.
type Access struct {
	Op Op
	// Path is the program to run, the file, or a UNIX socket's name. It is cleaned before it is matched; one that is
	// not absolute matches no rule that starts with /.
	Path string
	// Interpreter is what really runs, when Path is a script.
	Interpreter string
	// Letters is how OpFile uses the file.
	Letters policy.Access
	// Peer is the other end, or for OpBind the own one, of network operations without a Path. Without an address it is
	// a packet socket.
	Peer netip.AddrPort
	// Protocol is as in event.Flow.
	Protocol string
}

// Decision is what the policy says of an Access.
type Decision struct {
	Denied bool
	// Rule is file:line of the rule that decided, or of the allow list that lacks one; empty if nothing spoke.
	Rule string
	// Type is exec, file or network; it and what follows is set only if Denied.
	Type     string
	Severity event.Severity
	// Detail says in one line what was done and why it is not allowed. It holds names from outside, not escaped.
	Detail string
}

// Decide judges an access of a task that s claims. A nil subject is allowed everything.
func Decide(s *Subject, a Access) Decision {
	if s == nil {
		return Decision{}
	}
	switch a.Op {
	case OpExec:
		return s.exec(a)
	case OpFile:
		return s.file(a)
	case OpConnect, OpSend, OpBind:
		return s.network(a)
	}
	return Decision{}
}

// exec judges the program asked for by allowed_exec, and it and its interpreter by blocked_files. allowed_files does
// not apply: what may be run need not be readable.
func (s *Subject) exec(a Access) Decision {
	name := path.Clean(live(a.Path))
	if rule := s.blockedFiles.find(name, policy.AccessExecute); rule != nil {
		return deny("exec", event.SeverityHigh, rule.position, "blocked exec: %s (pattern: %s)", name, rule.Text)
	}
	if a.Interpreter != "" {
		interpreter := path.Clean(live(a.Interpreter))
		if rule := s.blockedFiles.find(interpreter, policy.AccessExecute); rule != nil {
			return deny("exec", event.SeverityHigh, rule.position, "blocked exec: %s runs %s (pattern: %s)", name, interpreter, rule.Text)
		}
	}
	if !s.allowedExec.present {
		return Decision{}
	}
	rule := s.allowedExec.find(name, policy.AccessExecute)
	if rule == nil {
		return deny("exec", event.SeverityHigh, s.allowedExec.list, "unauthorized exec: %s", name)
	}
	return Decision{Rule: rule.position}
}

// file judges each letter by itself: different rules may allow reading and writing.
func (s *Subject) file(a Access) Decision {
	name := path.Clean(live(a.Path))
	if rule := s.blockedFiles.find(name, a.Letters); rule != nil {
		return deny("file", event.SeverityHigh, rule.position, "blocked file access: %s (pattern: %s)", name, rule.Text)
	}
	if !s.allowedFiles.present {
		return Decision{}
	}
	var by string
	for letter := policy.AccessRead; letter <= policy.AccessExecute; letter <<= 1 {
		if a.Letters&letter == 0 {
			continue
		}
		rule := s.allowedFiles.find(name, letter)
		if rule == nil {
			return deny("file", event.SeverityMedium, s.allowedFiles.list, "unauthorized file access: %s (%s)", name, letter)
		}
		by = rule.position
	}
	return Decision{Rule: by}
}

func (s *Subject) network(a Access) Decision {
	switch {
	case a.Path != "":
		return s.unix(live(a.Path))
	case !a.Peer.IsValid():
		return s.packet()
	}
	peer := netip.AddrPortFrom(policy.NormalAddr(a.Peer.Addr()), a.Peer.Port())
	// A block list names peers; the address of a bind is the task's own.
	if rule := s.blockedNetwork.address(peer.Addr(), peer.Port(), a.Protocol); rule != nil && a.Op != OpBind {
		return deny("network", event.SeverityCritical, rule.position, "blocked network access: %s/%s (rule: %s)", peer, a.Protocol, rule.Text)
	}
	allowed := &s.allowedNetwork
	if !allowed.present {
		return Decision{}
	}
	if rule := allowed.address(peer.Addr(), peer.Port(), a.Protocol); rule != nil {
		return Decision{Rule: rule.position}
	}
	// A rule by host name may mean this address. Nobody has told, so it is left undecided.
	if rule := allowed.host(peer.Port(), a.Protocol); rule != nil && a.Op != OpBind {
		return Decision{Rule: rule.position}
	}
	return s.notAllowed("%s/%s", peer, a.Protocol)
}

// unix judges a UNIX socket. They are local, so an allow list speaks of them only if it names one.
func (s *Subject) unix(name string) Decision {
	if rule := s.blockedNetwork.socket(name); rule != nil {
		return deny("network", event.SeverityCritical, rule.position, "blocked network access: unix:%s (rule: %s)", name, rule.Text)
	}
	if len(s.allowedNetwork.sockets) == 0 {
		return Decision{}
	}
	if rule := s.allowedNetwork.socket(name); rule != nil {
		return Decision{Rule: rule.position}
	}
	return s.notAllowed("unix:%s", name)
}

// packet judges a socket below IP: it reaches every address, so no entry can allow it.
func (s *Subject) packet() Decision {
	if !s.allowedNetwork.present {
		return Decision{}
	}
	return s.notAllowed("packet socket")
}

func (s *Subject) notAllowed(format string, args ...any) Decision {
	list := &s.allowedNetwork
	why := "unauthorized network access: "
	if len(list.addresses)+len(list.hosts)+len(list.sockets) == 0 {
		why = "network access denied (no network allowed): "
	}
	return deny("network", event.SeverityCritical, list.list, why+format, args...)
}

func deny(kind string, severity event.Severity, rule, format string, args ...any) Decision {
	return Decision{Denied: true, Rule: rule, Type: kind, Severity: severity, Detail: fmt.Sprintf(format, args...)}
}
