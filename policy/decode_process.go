package policy

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/stockade-security/stockade/internal/syscalls"
)

// processSection is an entry of processes.
func processSection() section[Process] {
	return section[Process]{
		name: "a process entry",
		keys: []key[Process]{
			{"description", func(r *reader, e entry, p *Process) {
				s, _ := r.scalar(e.value, e.key)
				p.Description = s.text
			}},
			{"allowed_exec", listOf((*reader).execRule, func(p *Process) *List[PathRule] { return &p.AllowedExec })},
			{"blocked_syscalls", listOf((*reader).syscallRule, func(p *Process) *List[SyscallRule] { return &p.BlockedSyscalls })},
			{"allowed_files", listOf((*reader).fileRule, func(p *Process) *List[PathRule] { return &p.AllowedFiles })},
			{"blocked_files", listOf((*reader).fileRule, func(p *Process) *List[PathRule] { return &p.BlockedFiles })},
			{"allowed_network", listOf((*reader).grantedRule, func(p *Process) *List[NetworkRule] { return &p.AllowedNetwork })},
			{"blocked_network", listOf((*reader).networkRule, func(p *Process) *List[NetworkRule] { return &p.BlockedNetwork })},
			{"allowed_listen", func(r *reader, e entry, p *Process) {
				r.warn(WarningNotActedOn, e.pos, "", "allowed_listen is recorded only: this version judges binds by allowed_network")
				p.AllowedListen = list(r, e, (*reader).listenRule)
			}},
			{"allow_shared_suffix", func(r *reader, e entry, p *Process) { p.AllowSharedSuffix = r.flag(e) }},
			{"max_memory_mb", func(r *reader, e entry, p *Process) { p.MaxMemoryMB = r.limit(e) }},
			{"max_cpu_percent", func(r *reader, e entry, p *Process) { p.MaxCPUPercent = r.limit(e) }},
		},
		later: []string{
			"mode", "match", "inherit", "blocked_exec", "allowed_syscalls", "blocked_capabilities",
			"protect", "max_processes", "on_limit", "no_sudo",
		},
	}
}

func (r *reader) processes(e entry, p *Policy) {
	entries, ok := r.entries(e.value, "processes")
	if !ok {
		return
	}
	for _, entry := range entries {
		r.checkName(entry)
		p.Processes = append(p.Processes, r.process(entry))
	}
}

// checkName makes sure that the key can be the base name of an executable.
func (r *reader) checkName(e entry) {
	switch {
	case e.key == "" || len(e.key) > 255 || printable(e.key) != e.key:
		r.problem(e.pos, "write the base name of an executable", "%s names no executable", quoted(e.key))
	case strings.Contains(e.key, "/"):
		name := e.key[strings.LastIndexByte(e.key, '/')+1:]
		r.problem(e.pos, "write the base name: "+quoted(name), "process entries by path are not in this version")
	case strings.ContainsAny(e.key, "*?[{"):
		r.problem(e.pos, "write one entry for each name; an alias can repeat the rules", "process entries by pattern are not in this version")
	}
}

func (r *reader) process(e entry) Process {
	p := Process{Name: e.key, Pos: e.pos}
	if isNull(e.value) {
		r.noValue(e)
		return p
	}
	if decode(r, e.value, processSection(), &p) {
		r.checkShared(p.AllowSharedSuffix.Set)
		r.warnProcess(p)
	}
	return p
}

func (r *reader) syscallRule(node ast.Node) (SyscallRule, bool) {
	if s, ok := node.(*ast.StringNode); ok && strings.HasPrefix(s.Value, "@") {
		r.problem(r.at(node.GetToken()), "list the system calls", "groups of system calls are not in this version")
		return SyscallRule{}, false
	}
	if r.syscalls == nil {
		r.syscalls = syscalls.Names()
	}
	rule, ok := r.nameRule(node, "system call", r.syscalls, "man 2 syscalls lists the names")
	return SyscallRule{Text: rule.Text, Pos: rule.Pos, Names: []string{rule.Text}}, ok
}
