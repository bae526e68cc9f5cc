// Package verdict decides accesses against a policy, without looking at anything but its arguments.
//
// An Image is what a policy compiles to; deciding reads it and nothing else: no clock, no files, no locks. The package
// refuses to enforce or to record: what it says is what the policy says, and the caller does something about it.
//
// Blocked wins over allowed. Among rules of one list the most specific is named: of patterns the one with the longest
// literal beginning, then with the most literal bytes; of addresses the longest prefix, then the fewest ports, then one
// with a protocol; then the first in the file. An absent list says nothing, an empty allow list allows nothing.
package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
)

// Image is a compiled policy. It is immutable and safe for concurrent use.
type Image struct {
	mode     policy.Mode
	digest   string
	subjects map[string]*Subject
}

// Subject is a process entry of the policy: what all tasks that it claims may do. It is immutable.
type Subject struct {
	name           string
	allowedExec    pathTable
	allowedFiles   pathTable
	blockedFiles   pathTable
	allowedNetwork networkTable
	blockedNetwork networkTable
}

// Compile makes the image of a policy.
func Compile(p *policy.Policy) *Image {
	img := &Image{mode: p.Mode, digest: p.Digest(), subjects: make(map[string]*Subject, len(p.Processes))}
	for i := range p.Processes {
		entry := &p.Processes[i]
		img.subjects[entry.Name] = &Subject{
			name:           entry.Name,
			allowedExec:    newPathTable(entry.AllowedExec),
			allowedFiles:   newPathTable(entry.AllowedFiles),
			blockedFiles:   newPathTable(entry.BlockedFiles),
			allowedNetwork: newNetworkTable(entry.AllowedNetwork),
			blockedNetwork: newNetworkTable(entry.BlockedNetwork),
		}
	}
	return img
}

// Mode is the policy's own; a caller may go by another.
func (img *Image) Mode() policy.Mode { return img.mode }

// Digest is the policy's.
func (img *Image) Digest() string { return img.digest }

// Name is the process entry's key.
func (s *Subject) Name() string { return s.name }

// Subject returns the entry that claims the tasks of an executable, nil if none does. In this version an entry is
// found by the base name of the executable's resolved path.
func (img *Image) Subject(exe string) *Subject {
	exe = live(exe)
	return img.subjects[exe[strings.LastIndexByte(exe, '/')+1:]]
}

// deleted is what the kernel puts behind the name of a file that no directory holds any more (d_path).
const deleted = " (deleted)"

func live(path string) string { return strings.TrimSuffix(path, deleted) }

// pathTable answers which rule of a list names a path. It is the seam for the automaton that the kernel will share.
type pathTable struct {
	present bool
	// list is the position of the key, to name what is not in the list.
	list string
	// rules stand in the order of precedence, so the first match is the one.
	rules []pathRule
}

type pathRule struct {
	policy.PathRule
	position string
}

func newPathTable(l policy.List[policy.PathRule]) pathTable {
	t := pathTable{present: l.Present, list: l.Pos.String()}
	for _, rule := range l.Rules {
		t.rules = append(t.rules, pathRule{rule, rule.Pos.String()})
	}
	slices.SortStableFunc(t.rules, func(a, b pathRule) int {
		return cmp.Or(b.Glob.Prefix()-a.Glob.Prefix(), b.Glob.Literals()-a.Glob.Literals())
	})
	return t
}

// find returns the rule that covers one kind of access to path, nil if none does.
func (t *pathTable) find(path string, access policy.Access) *pathRule {
	for i := range t.rules {
		if rule := &t.rules[i]; rule.Access&access != 0 && rule.Glob.Match(path) {
			return rule
		}
	}
	return nil
}
