package policy

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// hostSection holds for every task.
func hostSection() section[Host] {
	return section[Host]{name: "host", keys: []key[Host]{
		{"exec", listOf((*reader).startRule, func(h *Host) *List[StartRule] { return &h.Exec })},
		{"files", listOf((*reader).guardedFile, func(h *Host) *List[GuardedFile] { return &h.Files })},
		{"kernel_modules", nested(modulesSection, hostItself)},
		{"bpf", allowExe(func(h *Host) *List[PathRule] { return &h.BPF })},
		{"mounts", nested(mountsSection, hostItself)},
		{"devices", listOf((*reader).guardedDevice, func(h *Host) *List[GuardedDevice] { return &h.Devices })},
		{"settime", allowExe(func(h *Host) *List[PathRule] { return &h.Settime })},
		{"prctl", nested(prctlSection, hostItself)},
		{"keyrings", allowExe(func(h *Host) *List[PathRule] { return &h.Keyrings })},
		{"io_uring", allowExe(func(h *Host) *List[PathRule] { return &h.IOUring })},
		{"metadata", func(r *reader, e entry, h *Host) {
			h.DenyMetadata = Flag{Set: r.choice(e, []string{"deny", "allow"}) == "deny", Pos: e.pos}
		}},
	}}
}

func hostItself(h *Host) *Host { return h }

// allowExe reads a map whose one key lists the executables that may do it.
func allowExe(at func(*Host) *List[PathRule]) func(*reader, entry, *Host) {
	return func(r *reader, e entry, h *Host) { decode(r, e.value, allowExeSection(e.key, at), h) }
}

func allowExeSection(what string, at func(*Host) *List[PathRule]) section[Host] {
	return section[Host]{
		name: "host." + what,
		keys: []key[Host]{{"allow_exe", listOf((*reader).exeRule, at)}},
		lacks: func(h *Host) string {
			return lacking(at(h).Present, "allow_exe: who may; [] is nobody")
		},
	}
}

func modulesSection() section[Host] {
	return section[Host]{
		name: "host.kernel_modules",
		keys: []key[Host]{
			{"allow", listOf((*reader).module, func(h *Host) *List[NameRule] { return &h.ModulesAllowed })},
			{"block", listOf((*reader).module, func(h *Host) *List[NameRule] { return &h.ModulesBlocked })},
		},
		lacks: func(h *Host) string {
			return lacking(h.ModulesAllowed.Present || h.ModulesBlocked.Present, "allow or block: names of modules")
		},
	}
}

func mountsSection() section[Host] {
	return section[Host]{
		name: "host.mounts",
		keys: []key[Host]{{"block_sources", listOf((*reader).plainPath, func(h *Host) *List[PathRule] { return &h.BlockedMountSources })}},
		lacks: func(h *Host) string {
			return lacking(h.BlockedMountSources.Present, "block_sources: what nobody may mount")
		},
	}
}

func prctlSection() section[Host] {
	return section[Host]{
		name: "host.prctl",
		keys: []key[Host]{
			{"block", listOf((*reader).prctlOption, func(h *Host) *List[NameRule] { return &h.BlockedPrctl })},
			{"allow_exe", listOf((*reader).exeRule, func(h *Host) *List[PathRule] { return &h.PrctlExe })},
		},
		lacks: func(h *Host) string {
			return lacking(h.BlockedPrctl.Present, "block: the options that only allow_exe may use")
		},
	}
}

// lacking returns what a section lacks, "" if there is something.
func lacking(present bool, what string) string {
	if present {
		return ""
	}
	return what
}

func startSection() section[StartRule] {
	return section[StartRule]{
		name: "an entry of host.exec",
		keys: []key[StartRule]{
			{"path", pathOf(func(s *StartRule) *PathRule { return &s.Path })},
			{"parents", listOf((*reader).exeRule, func(s *StartRule) *List[PathRule] { return &s.Parents })},
		},
		lacks: func(s *StartRule) string {
			return lacking(s.Path.Glob != nil && s.Parents.Present, "path and parents: which programs may start it; [] is none")
		},
	}
}

func (r *reader) startRule(node ast.Node) (StartRule, bool) {
	var rule StartRule
	ok := decode(r, node, startSection(), &rule)
	rule.Path.Access = AccessExecute
	return rule, ok
}

func fileSection() section[GuardedFile] {
	return section[GuardedFile]{
		name: "an entry of host.files",
		keys: []key[GuardedFile]{
			{"path", pathOf(func(f *GuardedFile) *PathRule { return &f.Path })},
			{"readers", listOf((*reader).exeRule, func(f *GuardedFile) *List[PathRule] { return &f.Readers })},
			{"writers", listOf((*reader).exeRule, func(f *GuardedFile) *List[PathRule] { return &f.Writers })},
		},
		lacks: func(f *GuardedFile) string {
			return lacking(f.Path.Glob != nil && (f.Readers.Present || f.Writers.Present), "path, and readers or writers: which programs may; [] is none")
		},
	}
}

func (r *reader) guardedFile(node ast.Node) (GuardedFile, bool) {
	var file GuardedFile
	ok := decode(r, node, fileSection(), &file)
	file.Path.Access = 0
	if file.Readers.Present {
		file.Path.Access |= AccessRead
	}
	if file.Writers.Present {
		file.Path.Access |= AccessWrite
	}
	return file, ok
}

func deviceSection() section[GuardedDevice] {
	return section[GuardedDevice]{
		name: "an entry of host.devices",
		keys: []key[GuardedDevice]{
			{"path", pathOf(func(d *GuardedDevice) *PathRule { return &d.Path })},
			{"allow_exe", listOf((*reader).exeRule, func(d *GuardedDevice) *List[PathRule] { return &d.AllowExe })},
		},
		lacks: func(d *GuardedDevice) string {
			return lacking(d.Path.Glob != nil && d.AllowExe.Present, "path and allow_exe: which programs may use ioctl on it; [] is none")
		},
	}
}

func (r *reader) guardedDevice(node ast.Node) (GuardedDevice, bool) {
	var device GuardedDevice
	ok := decode(r, node, deviceSection(), &device)
	return device, ok
}

// pathOf reads a key whose value is one pattern.
func pathOf[T any](at func(*T) *PathRule) func(*reader, entry, *T) {
	return func(r *reader, e entry, into *T) { *at(into), _ = r.plainPath(e.value) }
}

// plainPath reads a pattern that has no access letters.
func (r *reader) plainPath(node ast.Node) (PathRule, bool) {
	s, ok := r.scalar(node, "a path")
	if !ok {
		return PathRule{}, false
	}
	if _, letters, at := splitLetters(s.text); at >= 0 {
		if _, are := ParseAccess(letters); are {
			r.problem(s.point(at), `remove them; write "\ " for a space in a name`, "access letters have no meaning here")
			return PathRule{}, false
		}
	}
	return r.pathRule(s, s.text, AccessAll)
}

// module reads a kernel module's name. The kernel takes - for _ in it.
func (r *reader) module(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "a kernel module")
	if !ok {
		return NameRule{}, false
	}
	name := strings.ReplaceAll(s.text, "-", "_")
	bad := strings.IndexFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_')
	})
	if bad >= 0 || name == "" {
		r.problem(s.point(max(0, bad)), "write the name that lsmod shows, without folder and .ko", "%s is no name of a kernel module", quoted(s.text))
		return NameRule{}, false
	}
	return NameRule{Text: name, Pos: s.pos}, true
}
