package posture

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
)

// modules lists the loaded kernel modules. A kernel built without modules has no such file, which is a fact of its own.
func (r *Reader) modules() []event.Posture {
	data, whole, err := r.read("proc/modules", maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return []event.Posture{{Subject: "module", Name: "support", Value: Absent}}
	}
	if err != nil {
		return []event.Posture{{Subject: "module", Name: ListName, Value: reason(err)}}
	}
	if !whole {
		data = data[:bytes.LastIndexByte(data, '\n')+1]
	}
	facts := parseModules(string(data))
	if !whole || len(facts) > maxModules {
		facts = facts[:min(len(facts), maxModules)]
		facts = append(facts, event.Posture{Subject: "module", Name: ListName, Value: fmt.Sprintf("cut after %d", len(facts))})
	}
	return facts
}

// parseModules reads /proc/modules: name, size, use count, users, state, address, taint letters in parentheses.
// Use count, users and address change without meaning anything, so the value leaves them out.
func parseModules(text string) []event.Posture {
	var facts []event.Posture
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		value := "size=" + f[1] + " state=" + strings.ToLower(f[4])
		if last := f[len(f)-1]; strings.HasPrefix(last, "(") {
			value += " taint=" + strings.Trim(last, "()")
		}
		facts = append(facts, event.Posture{Subject: "module", Name: f[0], Value: value})
	}
	slices.SortStableFunc(facts, func(a, b event.Posture) int { return strings.Compare(a.Name, b.Name) })
	return facts
}
