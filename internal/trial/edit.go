package trial

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// Change is one edit of a policy.
type Change struct {
	// Do is remove or add.
	Do string `json:"do"`
	// Position is where: the line to remove, or the list to add to if it is there.
	Position string `json:"position,omitempty"`
	// Key is the path of the list to add to, such as processes.nginx.allowed_files.
	Key string `json:"key,omitempty"`
	// Text is the rule, as it is written or is to be written.
	Text string `json:"text"`
}

// String says what to do, in one line.
func (c Change) String() string {
	switch {
	case c.Do == "remove":
		return fmt.Sprintf("remove %s at %s", quote(c.Text), c.Position)
	case c.Position != "":
		return fmt.Sprintf("add %s to %s at %s", quote(c.Text), c.Key, c.Position)
	}
	return fmt.Sprintf("add %s: [%s]", c.Key, quote(c.Text))
}

// quote writes text as YAML takes it in any place.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// without returns a policy that lacks what stands at a position: a rule, or a key. Of lists and entries that are not
// touched it shares the memory with p. ok is false if nothing stands there.
func without(p *policy.Policy, at policy.Position) (out *policy.Policy, ok bool) {
	c := *p
	ok = prune(reflect.ValueOf(&c).Elem(), at)
	return &c, ok
}

// prune removes what stands at a position from v, which may be set, and replaces what holds it.
func prune(v reflect.Value, at policy.Position) (ok bool) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			if !field.CanSet() {
				continue
			}
			if key, is := keyPosition(field); is && key == at {
				field.SetZero()
				ok = true
				continue
			}
			ok = prune(field, at) || ok
		}
	case reflect.Slice:
		return pruneSlice(v, at)
	case reflect.Pointer:
		if entry, is := v.Interface().(*policy.Process); is && entry != nil {
			fresh := *entry
			if ok = prune(reflect.ValueOf(&fresh).Elem(), at); ok {
				v.Set(reflect.ValueOf(&fresh))
			}
		}
	}
	return ok
}

func pruneSlice(v reflect.Value, at policy.Position) (ok bool) {
	if v.Type().Elem().Kind() != reflect.Struct {
		return false
	}
	fresh := reflect.MakeSlice(v.Type(), 0, v.Len())
	for i := range v.Len() {
		item := reflect.New(v.Type().Elem()).Elem()
		item.Set(v.Index(i))
		if rulePosition(item) == at {
			ok = true
			continue
		}
		ok = prune(item, at) || ok
		fresh = reflect.Append(fresh, item)
	}
	if ok {
		v.Set(fresh)
	}
	return ok
}

// keyPosition is where a key stands whose value can be taken away: a list, a limit or a flag.
func keyPosition(v reflect.Value) (policy.Position, bool) {
	if v.Kind() != reflect.Struct || v.NumField() == 0 {
		return policy.Position{}, false
	}
	switch v.Interface().(type) {
	case policy.Limit, policy.Flag:
	default:
		if v.Type().Field(0).Name != "Present" {
			return policy.Position{}, false
		}
	}
	return position(v), true
}

// rulePosition is where an item of a list stands; rules about a path stand at the path.
func rulePosition(item reflect.Value) policy.Position {
	if path := item.FieldByName("Path"); path.IsValid() && path.Type() == reflect.TypeFor[policy.PathRule]() {
		item = path
	}
	return position(item)
}

func position(v reflect.Value) policy.Position {
	if field := v.FieldByName("Pos"); field.IsValid() {
		if at, ok := field.Interface().(policy.Position); ok {
			return at
		}
	}
	return policy.Position{}
}

// relevant returns a policy without the rules of programs and files that do not match what an access names.
func relevant(p *policy.Policy, a *verdict.Access) *policy.Policy {
	keep := func(l policy.List[policy.PathRule]) policy.List[policy.PathRule] {
		var kept []policy.PathRule
		for _, r := range l.Rules {
			if r.Glob.Match(path.Clean(a.Path)) || a.Interpreter != "" && r.Glob.Match(path.Clean(a.Interpreter)) {
				kept = append(kept, r)
			}
		}
		l.Rules = kept
		return l
	}
	trim := func(entry policy.Process) policy.Process {
		entry.AllowedExec, entry.BlockedExec = keep(entry.AllowedExec), keep(entry.BlockedExec)
		entry.AllowedFiles, entry.BlockedFiles = keep(entry.AllowedFiles), keep(entry.BlockedFiles)
		return entry
	}
	c := *p
	c.Processes = make([]policy.Process, len(p.Processes))
	for i := range p.Processes {
		c.Processes[i] = trim(p.Processes[i])
	}
	if p.Default != nil {
		entry := trim(*p.Default)
		c.Default = &entry
	}
	return &c
}

// added is the file of rules that are not in the policy yet.
const added = "(added)"

// with returns a policy whose entry has one more rule in the list at key, such as allowed_files. index is the entry's in
// Processes, -1 for default. The rule is read as it would be in a file, but for names of entries, which are taken as they are.
func with(p *policy.Policy, index int, key, text string) (*policy.Policy, error) {
	var more policy.Process
	switch names := (policy.List[policy.NameRule]{Present: true, Rules: []policy.NameRule{{Text: text}}}); key {
	case "protect.signals":
		more.Protect.Signals = names
	case "protect.ptrace":
		more.Protect.Ptrace = names
	default:
		one, err := policy.Parse(added, []byte("processes: {x: {"+key+": ["+quote(text)+"]}}"))
		if err != nil {
			return nil, fmt.Errorf("write %q into %s: %w", text, key, err)
		}
		more = one.Processes[0]
	}
	c := *p
	var entry policy.Process
	if index >= 0 {
		entry = p.Processes[index]
	} else if p.Default != nil {
		entry = *p.Default
	}
	extend(reflect.ValueOf(&entry).Elem(), reflect.ValueOf(more))
	if index < 0 {
		c.Default = &entry
		return &c, nil
	}
	c.Processes = slices.Clone(p.Processes)
	c.Processes[index] = entry
	return &c, nil
}

// exempt returns a policy in which the host's rule at a position lets one more executable through: it adds to the list
// key of the rule, or to the list that stands there itself, or for options of prctl to theirs.
func exempt(p *policy.Policy, at policy.Position, key string, exe policy.PathRule) (out *policy.Policy, ok bool) {
	c := *p
	h := &c.Host
	for _, l := range []*policy.List[policy.PathRule]{&h.BPF, &h.Settime, &h.Keyrings, &h.IOUring} {
		if l.Present && l.Pos == at {
			*l = longer(*l, exe)
			return &c, true
		}
	}
	if slices.ContainsFunc(h.BlockedPrctl.Rules, func(r policy.NameRule) bool { return r.Pos == at }) {
		h.PrctlExe = longer(h.PrctlExe, exe)
		return &c, true
	}
	for i := range h.Exec.Rules {
		if r := &h.Exec.Rules[i]; r.Path.Pos == at && key == "parents" {
			fresh := *r
			fresh.Parents = longer(r.Parents, exe)
			h.Exec, ok = replaced(h.Exec, i, fresh), true
		}
	}
	for i := range h.Devices.Rules {
		if r := &h.Devices.Rules[i]; r.Path.Pos == at {
			fresh := *r
			fresh.AllowExe = longer(r.AllowExe, exe)
			h.Devices, ok = replaced(h.Devices, i, fresh), true
		}
	}
	for i := range h.Files.Rules {
		if r := &h.Files.Rules[i]; r.Path.Pos == at {
			fresh := *r
			if key == "readers" {
				fresh.Readers = longer(r.Readers, exe)
			} else {
				fresh.Writers = longer(r.Writers, exe)
			}
			h.Files, ok = replaced(h.Files, i, fresh), true
		}
	}
	return &c, ok
}

// longer and replaced copy a list.
func longer[R any](l policy.List[R], rule R) policy.List[R] {
	l.Present, l.Rules = true, append(slices.Clone(l.Rules), rule)
	return l
}

func replaced[R any](l policy.List[R], i int, rule R) policy.List[R] {
	l.Rules = slices.Clone(l.Rules)
	l.Rules[i] = rule
	return l
}

// extend adds the lists of from to those of to.
func extend(to, from reflect.Value) {
	for i := range to.NumField() {
		dst, src := to.Field(i), from.Field(i)
		switch {
		case dst.Kind() != reflect.Struct:
		case dst.NumField() > 0 && dst.Type().Field(0).Name == "Present":
			if src.FieldByName("Present").Bool() {
				dst.FieldByName("Present").SetBool(true)
				all := reflect.AppendSlice(reflect.MakeSlice(dst.FieldByName("Rules").Type(), 0, 1), dst.FieldByName("Rules"))
				dst.FieldByName("Rules").Set(reflect.AppendSlice(all, src.FieldByName("Rules")))
			}
		case dst.Type() == reflect.TypeFor[policy.Protect]():
			extend(dst, src)
		}
	}
}
