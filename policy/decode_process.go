package policy

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// processSection is an entry of processes.
func processSection() section[Process] {
	own := []key[Process]{
		{"match", func(r *reader, e entry, p *Process) {
			p.Match.Pos = e.pos
			decode(r, e.value, matchSection(), &p.Match)
		}},
		{"inherit", func(r *reader, e entry, p *Process) { p.Inherit = r.flag(e).Set }},
	}
	return section[Process]{name: "a process entry", keys: slices.Concat(subjectKeys(), own)}
}

// defaultSection is for the tasks that no entry claims.
func defaultSection() section[Process] { return section[Process]{name: "default", keys: subjectKeys()} }

// subjectKeys are those of every entry.
func subjectKeys() []key[Process] {
	return []key[Process]{
		{"description", func(r *reader, e entry, p *Process) {
			s, _ := r.scalar(e.value, e.key)
			p.Description = s.text
		}},
		{"mode", func(r *reader, e entry, p *Process) { p.Mode = r.mode(e) }},
		{"allowed_exec", listOf((*reader).execRule, func(p *Process) *List[PathRule] { return &p.AllowedExec })},
		{"blocked_exec", listOf((*reader).execRule, func(p *Process) *List[PathRule] { return &p.BlockedExec })},
		{"allowed_files", listOf((*reader).fileRule, func(p *Process) *List[PathRule] { return &p.AllowedFiles })},
		{"blocked_files", listOf((*reader).fileRule, func(p *Process) *List[PathRule] { return &p.BlockedFiles })},
		{"allowed_network", listOf((*reader).grantedRule, func(p *Process) *List[NetworkRule] { return &p.AllowedNetwork })},
		{"blocked_network", listOf((*reader).networkRule, func(p *Process) *List[NetworkRule] { return &p.BlockedNetwork })},
		{"allowed_listen", listOf((*reader).listenRule, func(p *Process) *List[NetworkRule] { return &p.AllowedListen })},
		{"allow_shared_suffix", func(r *reader, e entry, p *Process) { p.AllowSharedSuffix = r.flag(e) }},
		{"allowed_syscalls", listOf((*reader).syscallRule, func(p *Process) *List[SyscallRule] { return &p.AllowedSyscalls })},
		{"blocked_syscalls", listOf((*reader).syscallRule, func(p *Process) *List[SyscallRule] { return &p.BlockedSyscalls })},
		{"blocked_capabilities", listOf((*reader).capability, func(p *Process) *List[NameRule] { return &p.BlockedCapabilities })},
		{"protect", nested(protectSection, func(p *Process) *Protect { return &p.Protect })},
		{"max_memory_mb", func(r *reader, e entry, p *Process) { p.MaxMemoryMB = r.limit(e) }},
		{"max_cpu_percent", func(r *reader, e entry, p *Process) { p.MaxCPUPercent = r.limit(e) }},
		{"max_processes", func(r *reader, e entry, p *Process) { p.MaxProcesses = r.limit(e) }},
		{"on_limit", func(r *reader, e entry, p *Process) {
			p.OnLimit = LimitAction(r.choice(e, []string{string(LimitRecord), string(LimitKill)}))
		}},
		{"no_sudo", func(r *reader, e entry, p *Process) { p.NoSudo = r.flag(e) }},
	}
}

func protectSection() section[Protect] {
	return section[Protect]{name: "protect", keys: []key[Protect]{
		{"signals", listOf((*reader).subject, func(p *Protect) *List[NameRule] { return &p.Signals })},
		{"ptrace", listOf((*reader).subject, func(p *Protect) *List[NameRule] { return &p.Ptrace })},
	}}
}

func (r *reader) processes(e entry, p *Policy) {
	if _, again := r.taken[e.key]; !again {
		r.taken[e.key] = e.pos
	}
	entries, _ := r.entries(e.value, "processes")
	for _, entry := range entries {
		if r.take("processes."+entry.key, entry.pos) {
			p.Processes = append(p.Processes, r.process(entry))
		}
	}
}

func (r *reader) process(e entry) Process {
	p := Process{Name: e.key, Pos: e.pos}
	if isNull(e.value) {
		r.noValue(e)
	} else {
		decode(r, e.value, processSection(), &p)
		r.checkShared(p.AllowSharedSuffix.Set)
	}
	r.checkName(&p)
	return p
}

func (r *reader) defaults(e entry, p *Policy) {
	p.Default = &Process{Name: "default", Pos: e.pos}
	decode(r, e.value, defaultSection(), p.Default)
	r.checkShared(p.Default.AllowSharedSuffix.Set)
}

// checkName makes sure that the key can be the base name of an executable, if it is one, and then is the entry's match.
func (r *reader) checkName(p *Process) {
	const base = "the key of an entry without match is the base name of an executable"
	name := p.Name[strings.LastIndexByte(p.Name, '/')+1:]
	switch {
	case p.Name == "" || len(p.Name) > 255 || printable(p.Name) != p.Name:
		r.problem(p.Pos, "write the base name of an executable", "%s names no executable", quoted(p.Name))
	case p.Name == "default":
		r.problem(p.Pos, "write default beside processes, not in it", "%s is for the tasks that no entry claims", quoted(p.Name))
	case p.Match.given():
	case strings.HasPrefix(p.Name, "/"):
		r.problem(p.Pos, "add match: {exe: "+quoted(p.Name)+"}, or write the base name: "+quoted(name), base)
	case name != p.Name:
		r.problem(p.Pos, "write the base name: "+quoted(name), base)
	case strings.ContainsAny(p.Name, "*?[{"):
		r.problem(p.Pos, "add match: {exe: "+quoted("**/"+p.Name)+"}, and give the entry any name", base)
	default:
		p.Match.Name = List[NameRule]{Present: true, Pos: p.Pos, Rules: []NameRule{{Text: p.Name, Pos: p.Pos}}}
	}
}

// subject reads the name of an entry; that there is such an entry is known only at the end.
func (r *reader) subject(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "the name of an entry")
	return NameRule{Text: s.text, Pos: s.pos}, ok
}
