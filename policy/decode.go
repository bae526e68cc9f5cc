package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/stockade-security/stockade/internal/syscalls"
)

// policy reads the root of the document. What it returns is only good if there were no problems.
func (r *reader) policy(body ast.Node) *Policy {
	p := &Policy{Name: r.file, Version: "1.0", Mode: ModeAudit}
	entries, ok := r.entries(body, "a policy")
	if !ok {
		return p
	}
	top := Position{File: r.file, Line: 1, Column: 1}
	processes := false
	for _, e := range entries {
		switch e.key {
		case "version":
			r.version(e, p)
		case "mode":
			r.mode(e, p)
		case "processes":
			processes, top = true, e.pos
			p.Processes = r.processes(e)
		case "alerts":
			p.Alerts = r.alerts(e)
		default:
			r.unknownKey(e, sectionTop)
		}
	}
	if !processes && len(r.problems) == 0 {
		r.problem(top, `add "processes:" and one entry`, "the policy has no process entries")
	}
	return p
}

func (r *reader) version(e entry, p *Policy) {
	if isNull(e.value) {
		return
	}
	s, ok := r.scalar(e.value, "version")
	if ok && s.text != "1.0" && s.text != "1" && s.text != "" {
		r.problem(s.pos, `write "1.0"`, "version %s is not known", quoted(s.text))
	}
}

func (r *reader) mode(e entry, p *Policy) {
	if isNull(e.value) {
		r.noValue(e)
		return
	}
	s, ok := r.scalar(e.value, "mode")
	if !ok || s.text == "" {
		return
	}
	mode, err := ParseMode(s.text)
	if err != nil {
		modes := []string{string(ModeAudit), string(ModeAlert), string(ModeEnforce)}
		r.problem(s.pos, cmp.Or(r.meant(s.text, modes), "write one of them"), "mode %s is none of audit, alert, enforce", quoted(s.text))
		return
	}
	p.Mode = mode
	if mode == ModeEnforce {
		r.warn(WarningNotActedOn, s.pos, "mode: alert says what happens", "this version prevents nothing: violations are raised, never blocked")
	}
}

func (r *reader) processes(e entry) []Process {
	if isNull(e.value) {
		r.problem(e.pos, "add an entry below it, named after an executable", "the policy has no process entries")
		return nil
	}
	entries, ok := r.entries(e.value, "processes")
	if !ok {
		return nil
	}
	if len(entries) == 0 && len(r.problems) == 0 {
		r.problem(e.pos, "add an entry below it, named after an executable", "the policy has no process entries")
	}
	var out []Process
	for _, entry := range entries {
		r.checkName(entry)
		out = append(out, r.process(entry))
	}
	return out
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
	entries, ok := r.entries(e.value, "a process entry")
	if !ok {
		return p
	}
	for _, e := range entries {
		switch e.key {
		case "description":
			if !isNull(e.value) {
				s, _ := r.scalar(e.value, e.key)
				p.Description = s.text
			}
		case "allowed_exec":
			p.AllowedExec = list(r, e, r.execRule)
		case "allowed_files":
			p.AllowedFiles = list(r, e, r.fileRule)
		case "blocked_files":
			p.BlockedFiles = list(r, e, r.fileRule)
		case "allowed_network":
			p.AllowedNetwork = list(r, e, r.networkRule)
		case "blocked_network":
			p.BlockedNetwork = list(r, e, r.networkRule)
		case "blocked_syscalls":
			p.BlockedSyscalls = list(r, e, r.syscallRule)
		case "max_memory_mb":
			p.MaxMemoryMB = r.limit(e)
		case "max_cpu_percent":
			p.MaxCPUPercent = r.limit(e)
		default:
			r.unknownKey(e, sectionProcess)
		}
	}
	r.warnProcess(p)
	return p
}

func (r *reader) alerts(e entry) Alerts {
	var out Alerts
	if isNull(e.value) {
		r.noValue(e)
		return out
	}
	entries, _ := r.entries(e.value, "alerts")
	for _, e := range entries {
		switch e.key {
		case "on_violation":
			out.OnViolation = list(r, e, r.action)
		case "on_critical":
			out.OnCritical = list(r, e, r.action)
		default:
			r.unknownKey(e, sectionAlerts)
			continue
		}
		r.warn(WarningNotActedOn, e.pos, "", "%s is recorded only: this version runs no actions", e.key)
	}
	return out
}

func (r *reader) action(node ast.Node) (NameRule, bool) {
	return r.nameRule(node, "action", actions(), "the actions are "+strings.Join(actions(), ", "))
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

// nameRule reads one of the known names, whatever the case of its letters. hint is for names like none of them.
func (r *reader) nameRule(node ast.Node, what string, known []string, hint string) (NameRule, bool) {
	s, ok := r.scalar(node, "the "+what)
	if !ok {
		return NameRule{}, false
	}
	name := strings.ToLower(s.text)
	if !slices.Contains(known, name) {
		r.problem(s.pos, cmp.Or(r.meant(name, known), hint), "unknown %s %s", what, quoted(s.text))
		return NameRule{}, false
	}
	return NameRule{Text: name, Pos: s.pos}, true
}

// limit reads a number from 0, which means no limit.
func (r *reader) limit(e entry) Limit {
	if isNull(e.value) {
		r.noValue(e)
		return Limit{}
	}
	tk := e.value.GetToken()
	if _, ok := e.value.(*ast.IntegerNode); !ok {
		r.problem(r.place(e.value), "write a whole number without quotes", "%s must be a whole number, not %s", e.key, kindOf(e.value))
		return Limit{}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(tk.Value, "_", ""), 0, 32)
	switch {
	case err != nil:
		r.problem(r.at(tk), "write at most 2147483647", "%s is out of range: %s", e.key, quoted(tk.Value))
	case n < 0:
		r.problem(r.at(tk), "write 0 or leave the key out for no limit", "%s is negative", e.key)
	case n > 0:
		r.warn(WarningNotActedOn, e.pos, "", "%s is recorded only: this version measures no resources", e.key)
	}
	return Limit{Value: int(n), Pos: e.pos}
}

// list reads a list of rules. A key without a value counts as absent, with a warning.
func list[R any](r *reader, e entry, item func(ast.Node) (R, bool)) List[R] {
	if isNull(e.value) {
		r.noValue(e)
		return List[R]{}
	}
	sequence, ok := e.value.(*ast.SequenceNode)
	if !ok {
		r.problem(r.place(e.value), "write [...], or one line for each item that starts with -", "%s must be a list, not %s", e.key, kindOf(e.value))
		return List[R]{}
	}
	out := List[R]{Present: true, Pos: e.pos}
	for _, node := range sequence.Values {
		if !r.spend(e.pos) {
			break
		}
		if node = r.resolve(node); node == nil {
			continue
		}
		if rule, ok := item(node); ok {
			out.Rules = append(out.Rules, rule)
		}
	}
	return out
}

func (r *reader) noValue(e entry) {
	r.warn(WarningNoValue, e.pos, "remove the key, or write its value; [] means none", "%s has no value and counts as absent", quoted(e.key))
}
