// Package diff says what becomes allowed and what denied when one policy takes the place of another: as paths,
// addresses and names, not as lines of text.
//
// It compares what policies decide, over all that can be asked: paths by walking the automata of both at once, addresses
// and ports by cutting them into the intervals on which both are constant, everything else by trying each value. What
// neither decides otherwise is not a difference, however it is written. It refuses to judge whether a change is good.
package diff

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// The answers of a policy.
const (
	Allowed   = "allowed"
	Denied    = "denied"
	Undecided = "undecided" // a rule by host name may mean the address
)

// silent is what a policy says that does not speak of something.
func silent() Side { return Side{Answer: Allowed, unlisted: true} }

// Change is a set of accesses that the policies answer differently, and each by one rule.
type Change struct {
	// Subject is an entry of either policy, default, host or firewall.
	Subject string `json:"subject"`
	// Kind is what is done: exec, read, write, map, connect, listen, name, syscall and so on.
	Kind string `json:"kind"`
	// From and To are the answers before and after.
	From Side `json:"from"`
	To   Side `json:"to"`
	// Object says to what: a range of addresses and ports, a name, a call; of paths, those that the two rules decide, of
	// which Example is one.
	Object  string `json:"object"`
	Example string `json:"example,omitempty"`
}

// Side is what one policy says.
type Side struct {
	Answer string `json:"answer"`
	// Rule is how the rule is written, or the key of the list that lacks one; Position its file:line. Empty: nothing speaks.
	Rule     string `json:"rule,omitempty"`
	Position string `json:"position,omitempty"`
	// For names the executables that a denial does not hold for.
	For []string `json:"except,omitempty"`
	// unlisted: Rule is the key of a list that lacks a rule, or nothing speaks.
	unlisted bool
}

// Notice is a difference that is no access: an entry that is gone, a mode, who is claimed.
type Notice struct {
	Subject string `json:"subject"`
	What    string `json:"what"`
	From    string `json:"from"`
	To      string `json:"to"`
}

// Report is all differences.
type Report struct {
	// Changes come by subject in the order of the policies, then by kind.
	Changes []Change `json:"changes"`
	Notices []Notice `json:"notices"`
	// Incomplete names what could not be compared, because its patterns multiply each other too much.
	Incomplete []string `json:"incomplete"`
}

// Compare finds what changes from a to b. An entry that only one of them has is compared with the other's default entry,
// which judges its tasks unless another entry claims them. The error is of a policy that does not compile.
func Compare(a, b *policy.Policy) (*Report, error) {
	imgA, err := compile.Compile(a)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", a.Name, err)
	}
	imgB, err := compile.Compile(b)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", b.Name, err)
	}
	d := &comparison{report: &Report{Changes: []Change{}, Notices: []Notice{}, Incomplete: []string{}}, a: half{a, imgA}, b: half{b, imgB}}
	d.settings()
	for _, name := range d.names() {
		if err := d.subject(name); err != nil {
			return nil, err
		}
	}
	return d.report, d.host()
}

// settings compares what decides no access.
func (d *comparison) settings() {
	a, b := d.a.policy, d.b.policy
	name := func(r policy.NameRule) string { return r.Text }
	peer := func(r policy.NetworkRule) string { return r.Text }
	list := func(texts []string) string { return strings.Join(texts, ", ") }
	d.notice("", "mode", string(a.Mode), string(b.Mode))
	d.notice("", "dns.resolvers", list(texts(a.DNS.Resolvers, peer)), list(texts(b.DNS.Resolvers, peer)))
	d.notice("", "dns.lease", leaseText(a.DNS.Lease), leaseText(b.DNS.Lease))
	d.notice("", "anomaly.brute_force", windowText(a.Anomaly.BruteForce), windowText(b.Anomaly.BruteForce))
	d.notice("", "alerts.on_violation", list(texts(a.Alerts.OnViolation, name)), list(texts(b.Alerts.OnViolation, name)))
	d.notice("", "alerts.on_critical", list(texts(a.Alerts.OnCritical, name)), list(texts(b.Alerts.OnCritical, name)))
	d.notice("", "sinks", sinksText(a.Sinks), sinksText(b.Sinks))
}

func leaseText(l policy.Lease) string {
	return fmt.Sprintf("floor %s, grace %s, %d per name", l.Floor, l.Grace, l.PerName)
}

func windowText(w policy.Window) string {
	return fmt.Sprintf("threshold %d in %s, ban %s", w.Threshold, w.Window, w.Ban)
}

func sinksText(sinks []policy.Sink) string {
	var out []string
	for _, s := range sinks {
		out = append(out, fmt.Sprintf("%s: %s%s%s %s", s.Name, s.Webhook, s.File, s.Syslog, s.SecretEnv))
	}
	return strings.Join(out, ", ")
}

// half is one of the policies.
type half struct {
	policy *policy.Policy
	img    *compile.Image
}

type comparison struct {
	report *Report
	a, b   half
}

// names lists the entries of both, default last: those of b in its order, then those that only a has.
func (d *comparison) names() []string {
	var out []string
	for _, h := range []half{d.b, d.a} {
		for i := range h.policy.Processes {
			if name := h.policy.Processes[i].Name; !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return append(out, "default")
}

// entry returns what a policy says of a subject: the entry of that name, or else the default one.
func (h *half) entry(name string) (p *policy.Process, s *compile.Subject, own bool) {
	for i := range h.policy.Processes {
		if h.policy.Processes[i].Name == name {
			return &h.policy.Processes[i], &h.img.Subjects[i+1], true
		}
	}
	p = h.policy.Default
	if p == nil {
		p = &policy.Process{}
	}
	return p, &h.img.Subjects[compile.DefaultSubject], name == "default"
}

func (d *comparison) subject(name string) error {
	pa, sa, ownA := d.a.entry(name)
	pb, sb, ownB := d.b.entry(name)
	if ownA != ownB {
		d.notice(name, "entry", presence(ownA), presence(ownB))
	} else {
		d.notice(name, "mode", string(pa.Mode), string(pb.Mode))
		if name != "default" {
			d.notice(name, "match", matchText(pa), matchText(pb))
		}
		d.notice(name, "inherit", fmt.Sprint(sa.Inherit), fmt.Sprint(sb.Inherit))
	}
	if err := d.paths(name, pa, pb); err != nil {
		return err
	}
	d.networks(name, "connect", domains(pa.AllowedNetwork, pa.BlockedNetwork, pb.AllowedNetwork, pb.BlockedNetwork), sa.Peers, sb.Peers)
	d.networks(name, "listen", nil, sa.Listen, sb.Listen)
	d.decision(name, "connect", "packet sockets", sa.Packet, sb.Packet)
	d.syscalls(name, sa.Syscalls, sb.Syscalls)
	d.capabilities(name, sa.Capabilities, sb.Capabilities)
	d.decision(name, "exec", "programs that gain privilege", sa.NoSudo, sb.NoSudo)
	d.guard(name, "signal", &sa.Signals, &sb.Signals)
	d.guard(name, "ptrace", &sa.Ptrace, &sb.Ptrace)
	d.limit(name, "max_memory_mb", sa.MemoryMB, sb.MemoryMB)
	d.limit(name, "max_cpu_percent", sa.CPUPercent, sb.CPUPercent)
	d.limit(name, "max_processes", sa.Processes, sb.Processes)
	if sa.MemoryMB.Value+sa.CPUPercent.Value+sa.Processes.Value > 0 && sb.MemoryMB.Value+sb.CPUPercent.Value+sb.Processes.Value > 0 {
		d.notice(name, "on_limit", string(sa.OnLimit), string(sb.OnLimit))
	}
	return nil
}

func presence(own bool) string {
	if own {
		return "present"
	}
	return "absent"
}

func (d *comparison) notice(subject, what, from, to string) {
	if from != to {
		d.report.Notices = append(d.report.Notices, Notice{subject, what, from, to})
	}
}

func (d *comparison) change(c Change) { d.report.Changes = append(d.report.Changes, c) }

// side is what a decision of an image says.
func (h *half) side(id uint32) Side {
	says := h.img.Decisions[id]
	if id == compile.NoDecision {
		return silent()
	}
	rule := h.img.Rules[says.Rule]
	out := Side{Answer: Allowed, Rule: rule.Text, Position: rule.Pos.String(), unlisted: says.Unlisted}
	if says.Deny {
		out.Answer = Denied
	}
	return out
}

// decision compares two decisions about one thing.
func (d *comparison) decision(subject, kind, object string, a, b uint32) {
	from, to := d.a.side(a), d.b.side(b)
	if from.Answer != to.Answer {
		d.change(Change{Subject: subject, Kind: kind, From: from, To: to, Object: object})
	}
}

// tooLarge takes an error of automata that are too large into the report.
func (d *comparison) tooLarge(what string, err error) error {
	if errors.Is(err, automaton.ErrTooLarge) {
		d.report.Incomplete = append(d.report.Incomplete, what)
		return nil
	}
	return err
}
