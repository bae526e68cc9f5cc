//go:build linux

package enforcer

import "github.com/stockade-security/stockade/policy/layout"

func execFamily() family {
	return family{name: "exec", spec: loadExec, hooks: []hook{
		{program: "enforce_exec", asks: layout.AskExec, rung: withLSM, without: "starting programs"},
		{program: "enforce_no_sudo", asks: layout.AskNoSudo, rung: withLSM, without: "gaining privileges by starting programs"},
		{program: "enforce_mmap", asks: layout.AskMap, rung: withLSM, without: "mapping files as code"},
		{program: "enforce_mprotect", asks: layout.AskMap, rung: withLSM, without: "turning mapped files into code"},
		{program: "enforce_mmap_run", asks: layout.AskExec, rung: withLSM, without: "mapping programs instead of starting them"},
		{program: "enforce_mprotect_run", asks: layout.AskExec, rung: withLSM, without: "turning mapped programs into code"},
	}}
}
