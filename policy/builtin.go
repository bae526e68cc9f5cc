package policy

import (
	_ "embed"
	"slices"
)

//go:embed builtin.yaml
var builtinText []byte

// Builtin returns the policy that the guard runs without a file: audit mode, and entries that stay quiet on a healthy
// host. It has no warnings of WarningChanged, because nobody wrote it for another guard.
func Builtin() *Policy {
	p, err := Parse("builtin.yaml", builtinText)
	if err != nil {
		panic("policy: the built-in policy does not load: " + err.Error())
	}
	p.warnings = slices.DeleteFunc(p.warnings, func(w Warning) bool { return w.Kind == WarningChanged })
	return p
}
