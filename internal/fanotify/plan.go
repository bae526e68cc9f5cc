package fanotify

import (
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/enforce"
	"github.com/stockade-security/stockade/verdict"
)

// object is what a rule names: one path, or with children all that stands right in a directory.
type object struct {
	path     string
	children bool
	// exec and read say which uses can be denied.
	exec, read bool
}

// plan lists the objects that some enforcing subject could be denied, sorted. The texts of rules propose, verdict disposes.
func plan(img *compile.Image, mode policy.Mode) []object {
	subjects := enforcing(img, mode)
	if len(subjects) == 0 {
		return nil
	}
	tried := map[string]bool{}
	var out []object
	for _, d := range img.Decisions {
		if !d.Deny || d.Unlisted || d.Type != compile.TypeExec && d.Type != compile.TypeFile {
			continue
		}
		text := img.Rules[d.Rule].Text
		for _, pattern := range []string{text, withoutLetters(text)} {
			path, children, ok := enforce.Watchable(pattern)
			if !ok || tried[pattern] {
				continue
			}
			tried[pattern] = true
			o := object{path: path, children: children}
			if o.exec, o.read = deniable(img, subjects, pattern); o.exec || o.read {
				out = append(out, o)
			}
		}
	}
	slices.SortFunc(out, func(a, b object) int { return strings.Compare(a.path, b.path) })
	return out
}

// enforcing lists the subjects that are held to the policy.
func enforcing(img *compile.Image, mode policy.Mode) []uint32 {
	var out []uint32
	for i := range img.Subjects {
		if enforces(img, mode, uint32(i)) {
			out = append(out, uint32(i))
		}
	}
	return out
}

func enforces(img *compile.Image, mode policy.Mode, subject uint32) bool {
	if mode == "" {
		mode = img.Subjects[subject].Mode
	}
	return mode == policy.ModeEnforce
}

// withoutLetters cuts off the access letters of a file rule.
func withoutLetters(text string) string {
	if i := strings.LastIndexByte(text, ' '); i > 0 {
		if _, ok := policy.ParseAccess(text[i+1:]); ok {
			return strings.TrimRight(text[:i], " ")
		}
	}
	return text
}

// deniable asks as each of the subjects. A pattern DIR/* is itself a name that it matches.
func deniable(img *compile.Image, subjects []uint32, path string) (exec, read bool) {
	for _, s := range subjects {
		task := verdict.Task{Subject: s}
		exec = exec || denied(img, decide(img, task, execution(path)))
		read = read || denied(img, decide(img, task, opening(path, policy.AccessRead)))
		if exec && read {
			break
		}
	}
	return exec, read
}

func execution(path string) verdict.Access {
	return verdict.Access{Op: verdict.OpExec, Path: path}
}

func opening(path string, letters policy.Access) verdict.Access {
	return verdict.Access{Op: verdict.OpFile, Path: path, Letters: letters}
}

func decide(img *compile.Image, task verdict.Task, a verdict.Access) verdict.Decision {
	return verdict.Decide(img, task, &a)
}

// denied says whether a rule denies, not just the absence of one: an allow list also denies what this package is told of by
// accident, such as the interpreters and libraries of what it allows.
func denied(img *compile.Image, d verdict.Decision) bool {
	return d.Denied && !img.Decisions[d.ID].Unlisted
}
