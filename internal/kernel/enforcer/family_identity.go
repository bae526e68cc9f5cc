//go:build linux

package enforcer

import "github.com/stockade-security/stockade/policy/layout"

func identityFamily() family {
	return family{name: "identity", spec: loadIdentity, hooks: []hook{
		{program: "label_reserve", asks: layout.AskIdentity, rung: withLSM},
		{program: "label_exec", asks: layout.AskIdentity, rung: withLSM, without: "telling programs apart"},
		{program: "label_exec_seen", asks: layout.AskIdentity, rung: withoutLSM},
		{program: "label_alloc", asks: layout.AskIdentity, rung: withLSM, without: "the children of programs"},
		{program: "label_newtask", asks: layout.AskIdentity},
		{program: "label_exit", asks: layout.AskIdentity},
		{program: "relabel_tasks", detached: true},
		{program: "bind_mount", detached: true},
		{program: "bind_root", detached: true},
		{program: "bind_file", detached: true},
		{program: "glass_file", detached: true},
	}}
}
