package limits

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy/compile"
)

// owned returns the cgroup that is a subject's alone, or why there is none. all and whose are the host's processes and their
// subjects.
func owned(img *compile.Image, s uint32, members, all []Process, whose []uint32) (home, reason string) {
	unit, cgroup := conditions(img, s)
	if !unit && !cgroup {
		return "", "its entry does not match by unit or cgroup"
	}
	for _, p := range members {
		within := place(p, unit)
		switch {
		case within == "":
			return "", "the cgroup of one of its processes is not known"
		case home == "":
			home = within
		case unit && within != home:
			return "", "it has more than one unit"
		default:
			home = common(home, within)
		}
	}
	if home == "/" || !filepath.IsLocal(home[1:]) {
		return "", "its processes have no cgroup in common"
	}
	for i, p := range all {
		if whose[i] != s && (p.Cgroup == home || strings.HasPrefix(p.Cgroup, home+"/")) {
			return "", "its cgroup holds others' processes"
		}
	}
	return home, ""
}

// conditions says what the entry's match asks for.
func conditions(img *compile.Image, s uint32) (unit, cgroup bool) {
	for i := range img.Claims {
		if c := &img.Claims[i]; c.Subject == s {
			unit, cgroup = unit || c.Unit.Present, cgroup || c.Cgroup.Present
		}
	}
	return unit, cgroup
}

// place is a process's cgroup, or with unit its unit's, in which it may have made others.
func place(p Process, unit bool) string {
	if !strings.HasPrefix(p.Cgroup, "/") {
		return ""
	}
	if !unit {
		return p.Cgroup
	}
	parts := strings.Split(p.Cgroup, "/")
	i := slices.Index(parts, p.Unit)
	if p.Unit == "" || i < 0 {
		return ""
	}
	return strings.Join(parts[:i+1], "/")
}

// common is the cgroup that holds both.
func common(a, b string) string {
	for a != "" && a != b && !strings.HasPrefix(b, a+"/") {
		a = a[:strings.LastIndexByte(a, '/')]
	}
	if a == "" {
		return "/"
	}
	return a
}
