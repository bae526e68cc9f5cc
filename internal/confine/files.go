package confine

import (
	"path"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/glob"
)

// given is a place that a rule allows.
type given struct {
	place
	rule   *policy.PathRule
	dir    bool
	rights access
}

// blockList is a list that takes back; rights are what each of its letters is here.
type blockList struct {
	rules  []policy.PathRule
	rights func(policy.Access) access
}

// rightsOf are the rights that letters are. Nothing judges mapping as executable.
func rightsOf(letters policy.Access) (rights access) {
	if letters&policy.AccessRead != 0 {
		rights |= accessRead
	}
	if letters&policy.AccessWrite != 0 {
		rights |= accessWrite
	}
	return rights
}

const (
	noAllowList = "Landlock can only refuse what an allow list leaves out, and the entry has no %s"
	mapsRead    = "Landlock does not judge mapping as executable: what may be read may be mapped"
)

// files plans allowed_files and blocked_files, as far as they are about reading and writing.
func (p *planner) files() {
	q := p.process
	blocked := blockList{q.BlockedFiles.Rules, rightsOf}
	switch {
	case !q.AllowedFiles.Present && len(blocked.rules) == 0:
		return
	case p.Kernel.Landlock == 0:
		p.withoutLandlock("allowed_files", q.AllowedFiles.Present, q.AllowedFiles.Pos)
		p.withoutLandlock("blocked_files", len(blocked.rules) > 0, q.BlockedFiles.Pos)
		return
	case !q.AllowedFiles.Present:
		for _, r := range blocked.rules {
			if r.Access != policy.AccessExecute || !q.AllowedExec.Present {
				p.open(r.Pos, r.Text, noAllowList, "allowed_files")
			} else {
				p.open(r.Pos, r.Text, "Landlock does not judge mapping as executable")
			}
		}
		return
	}
	p.plan.landlock.handled |= accessRead | accessWrite
	p.uses()
	var list []given
	for i := range q.AllowedFiles.Rules {
		if rule := &q.AllowedFiles.Rules[i]; rightsOf(rule.Access) != 0 {
			list = append(list, p.give(rule, find(rule.Glob), rightsOf(rule.Access))...)
		}
	}
	p.take(list, blocked, "reading and writing")
	p.single(list)
	p.grant(list)
}

func (p *planner) withoutLandlock(key string, present bool, pos policy.Position) {
	if present {
		p.open(pos, key, "%s", p.Kernel.NoLandlock)
	}
}

// metadata are the calls that change what a file has besides its bytes.
var metadata = []string{
	"chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32",
	"utime", "utimes", "utimensat", "utimensat_time64", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat",
	"removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr",
}

// The numbers of ioctl that do the same (include/uapi/linux/fs.h, for 64-bit and 32-bit programs).
var metadataControls = []uint32{0x4008_6602, 0x4004_6602, 0x401c_5820} // FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_FSSETXATTR

// uses plans for the uses of files that Landlock does not judge. Where nothing may be written, seccomp can refuse them all.
func (p *planner) uses() {
	list := p.process.AllowedFiles
	writes := slices.ContainsFunc(list.Rules, func(r policy.PathRule) bool { return r.Access&policy.AccessWrite != 0 })
	if writes || p.Kernel.NoSeccomp != "" {
		p.open(list.Pos, "allowed_files", "Landlock does not judge changes of mode, owner, times and attributes")
	} else {
		p.calls.deny(metadata...)
		p.calls.control(metadataControls...)
	}
	if p.Kernel.Landlock < 3 {
		p.open(list.Pos, "allowed_files", "Landlock %d does not judge changes of length: that begins with Linux 6.2", p.Kernel.Landlock)
	}
	if p.Kernel.Landlock < 2 && writes {
		p.closed(list.Pos, "allowed_files", "Landlock 1 refuses to move or link files to another directory")
	}
	readOnly := func(r policy.PathRule) bool {
		return r.Access&(policy.AccessRead|policy.AccessExecute) == policy.AccessRead
	}
	if slices.ContainsFunc(list.Rules, readOnly) {
		p.open(list.Pos, "allowed_files", mapsRead)
	}
}

// give makes places of what a rule stands for, and notes what of it stays closed.
func (p *planner) give(rule *policy.PathRule, f found, rights access) []given {
	switch {
	case f.beyond != "":
		p.closed(rule.Pos, rule.Text, "%s, and Landlock wants directories and files", f.beyond)
	case f.partial:
		p.closed(rule.Pos, rule.Text, "only files that are there at the start: Landlock knows no patterns")
	}
	var out []given
	for _, at := range f.places {
		switch s := statusOf(at.path); {
		case s.missing:
			p.fold(true, rule, "%s is not there at the start", at.path)
		case s.link != "":
			if !rule.Glob.Match(s.link) {
				p.fold(true, rule, "%s is a link: write %s", at.path, s.link)
			}
		case at.tree && !s.dir:
		default:
			out = append(out, given{place: at, rule: rule, dir: s.dir, rights: rights})
		}
	}
	return out
}

// take removes from places what a block list names, and notes what is blocked below a directory that stays open.
func (p *planner) take(list []given, blocked blockList, what string) {
	for i := range blocked.rules {
		rule := &blocked.rules[i]
		lost := blocked.rights(rule.Access)
		maps := rule.Access&policy.AccessExecute != 0 && blocked.rights(policy.AccessExecute) == 0
		var below, mapped *given
		for j := range list {
			g := &list[j]
			whole := covers(rule.Glob, g.place)
			if !whole && (!g.tree || !reaches(rule.Glob, g.path)) {
				continue
			}
			if whole {
				g.rights &^= lost
			} else if g.rights&lost != 0 {
				below = g
			}
			if maps && g.rights&accessReadFile != 0 {
				mapped = g
			}
		}
		if below != nil {
			p.open(rule.Pos, rule.Text, "Landlock cannot take back %s of files below %s, which %s allows", what, below.path, below.rule.Pos)
		} else if mapped != nil {
			p.open(rule.Pos, rule.Text, mapsRead)
		}
	}
}

func covers(g *glob.Glob, at place) bool {
	if !at.tree {
		return g.Match(at.path)
	}
	all := at.glob()
	return all != nil && g.Covers(all)
}

// single fits rights to places that are no trees: Landlock gives those over names by directory, and those over a directory
// with all that is below.
func (p *planner) single(list []given) {
	trees := slices.DeleteFunc(slices.Clone(list), func(g given) bool { return !g.tree })
	for i := range list {
		g := &list[i]
		dir := path.Dir(g.path)
		renames := g.rights&accessWrite&^around(trees, dir) != 0 && canWrite(dir)
		switch {
		case g.tree:
			if g.rights&accessReadDir != 0 && !listed(list, trees, g.path) {
				p.fold(false, g.rule, "%s itself can be listed too: write %s{,/**}", g.path, escape(g.path))
			}
		case g.dir:
			if g.rights&accessRead != 0 && around(trees, g.path)&accessReadDir == 0 {
				p.fold(true, g.rule, "Landlock cannot open %s without what is below: write %s{,/**}", g.path, escape(g.path))
			}
			if renames {
				p.fold(true, g.rule, "%s cannot be made, moved or removed: Landlock gives that by directory", g.path)
			}
		default:
			if renames {
				p.fold(true, g.rule, "%s can be written, but not made, moved or removed: Landlock gives that by directory", g.path)
			}
			g.rights &= accessOfFile
		}
	}
}

// around is what trees give at a directory.
func around(trees []given, dir string) (rights access) {
	for i := range trees {
		if g := &trees[i]; g.path == "/" || g.path == dir || strings.HasPrefix(dir, g.path+"/") {
			rights |= g.rights
		}
	}
	return rights
}

// listed reports whether the policy allows to list a directory.
func listed(list, trees []given, dir string) bool {
	named := func(g given) bool { return !g.tree && g.path == dir && g.rights&accessReadDir != 0 }
	return slices.ContainsFunc(list, named) || dir != "/" && around(trees, path.Dir(dir))&accessReadDir != 0
}

func (p *planner) grant(list []given) {
	for _, g := range list {
		if g.rights != 0 && (g.tree || !g.dir) {
			p.plan.landlock.grant(g.path, g.rights)
		}
	}
}
