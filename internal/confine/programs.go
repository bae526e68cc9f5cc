package confine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/glob"
)

const (
	// accessStart is what a program needs to start: the kernel opens it for reading.
	accessStart = accessExecute | accessReadFile

	readToStart = "Landlock starts no program that cannot be read"
)

// startingOf is the right that letters are to programs.
func startingOf(letters policy.Access) access {
	if letters&policy.AccessExecute != 0 {
		return accessExecute
	}
	return 0
}

// programs plans allowed_exec, blocked_exec, and blocked_files as far as it is about starting programs. It comes after files.
func (p *planner) programs() {
	q := p.process
	if p.Kernel.Landlock == 0 {
		p.withoutLandlock("allowed_exec", q.AllowedExec.Present, q.AllowedExec.Pos)
		p.withoutLandlock("blocked_exec", len(q.BlockedExec.Rules) > 0, q.BlockedExec.Pos)
		return
	}
	if !q.AllowedExec.Present {
		p.anyProgram()
		return
	}
	p.plan.landlock.handled |= accessExecute
	p.memory()
	var list []given
	for i := range q.AllowedExec.Rules {
		rule := &q.AllowedExec.Rules[i]
		list = append(list, p.give(rule, p.findProgram(rule.Glob), accessExecute)...)
	}
	p.take(list, blockList{q.BlockedExec.Rules, startingOf}, "starting")
	ofFiles := slices.DeleteFunc(slices.Clone(q.BlockedFiles.Rules), func(r policy.PathRule) bool { return startingOf(r.Access) == 0 })
	p.take(list, blockList{ofFiles, startingOf}, "starting")
	list = slices.DeleteFunc(list, func(g given) bool { return g.dir && !g.tree || g.rights == 0 })
	p.grant(list)
	for _, g := range list {
		if p.plan.landlock.missing(g.path, accessReadFile) != 0 {
			p.fold(false, g.rule, "%s can be read too: "+readToStart, g.path)
			p.plan.landlock.grant(g.path, accessReadFile)
		}
	}
	p.starters(list, q.AllowedExec.Pos, "allowed_exec")
}

// memory keeps files that have no directory from being started: Landlock judges none of those (memfd_create(2)).
func (p *planner) memory() {
	const noExec = 0x8 // MFD_NOEXEC_SEAL, from Linux 6.3 on
	pos, key := p.process.AllowedExec.Pos, "allowed_exec"
	if p.Kernel.NoSeccomp != "" {
		p.open(pos, key, "%s, so files in memory can be started", p.Kernel.NoSeccomp)
		return
	}
	p.closed(pos, key, "memfd_create is refused without MFD_NOEXEC_SEAL: Landlock would let such a file start")
	p.calls.check("memfd_create", argument(1, ifAny(noExec, allow(), deny())))
}

// anyProgram plans for an entry that lists no programs.
func (p *planner) anyProgram() {
	q := p.process
	for _, r := range q.BlockedExec.Rules {
		p.open(r.Pos, r.Text, noAllowList, "allowed_exec")
	}
	if !q.AllowedFiles.Present {
		return
	}
	for _, r := range q.BlockedFiles.Rules {
		if startingOf(r.Access) != 0 {
			p.open(r.Pos, r.Text, "of starting programs, "+noAllowList, "allowed_exec")
		}
	}
	p.closed(q.AllowedFiles.Pos, "allowed_files", "programs that the list does not let read do not start: "+readToStart)
	p.starters(nil, q.AllowedFiles.Pos, "allowed_files")
}

// findProgram is find, and looks for a bare name where programs are.
func (p *planner) findProgram(g *glob.Glob) found {
	name, bare := strings.CutPrefix(g.String(), "**/")
	if !bare || strings.ContainsAny(name, `/*?[]{}\`) {
		return find(g)
	}
	f := found{partial: true}
	for _, dir := range append(filepath.SplitList(p.Path), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin") {
		at, err := realPath(filepath.Join(dir, name))
		if err == nil && g.Match(at) && !slices.Contains(f.places, place{path: at}) {
			f.places = append(f.places, place{path: at})
		}
	}
	return f
}

// starters grants what must be startable for the command and for programs of the list to start: the kernel asks Landlock
// about the interpreters of scripts and about dynamic loaders too. Gaps are those of the key at pos.
func (p *planner) starters(list []given, pos policy.Position, key string) {
	need := func(name, why string) {
		switch missing := p.plan.landlock.missing(name, accessStart); {
		case missing&accessExecute != 0:
			p.open(pos, key, "%s can be started too: %s", name, why)
		case missing != 0:
			p.open(pos, key, "%s can be read too: %s", name, why)
		}
		p.plan.landlock.grant(name, accessStart)
	}
	starts := func(what, file string) {
		for _, s := range startersOf(file) {
			if s.loader {
				need(s.path, "it loads "+what+", and any other program that can be read")
			} else {
				need(s.path, "it runs "+what)
			}
		}
	}
	need(p.Command.File, "it is the command")
	starts("the command", p.Command.File)
	for _, g := range list {
		if !g.tree {
			starts(g.path, g.path)
			continue
		}
		p.fold(true, g.rule, "scripts below %s start only if the list has their interpreter", g.path)
		for _, loader := range loaders() {
			need(loader, "it loads what is below "+g.path+", and any other program that can be read")
		}
	}
}

// loaders lists the usual dynamic loaders of this machine.
func loaders() []string {
	var out []string
	for _, name := range []string{
		"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2", "/libx32/ld-linux-x32.so.2", "/lib/ld-linux-aarch64.so.1",
		"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-i386.so.1", "/lib/ld-musl-aarch64.so.1",
	} {
		if at, err := realPath(name); err == nil {
			out = append(out, at)
		}
	}
	return out
}

// realPath is the path that the kernel gives a file, as far as one can tell from here.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(abs); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}
