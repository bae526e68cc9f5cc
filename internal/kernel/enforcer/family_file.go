//go:build linux

package enforcer

import "github.com/stockade-security/stockade/policy/layout"

func fileFamily() family {
	return family{name: "file", spec: loadFile, hooks: []hook{
		{program: "enforce_file_open", asks: layout.AskRead | layout.AskWrite, rung: withLSM, without: "opening files"},
	}}
}
