// Package policy reads the policy file: strict YAML in, an immutable Policy or every problem at once out.
//
// It knows the text and what it means, and where each rule stands, because every decision names its rule as
// file:line. It refuses to decide anything: package verdict does. It never reads a clock, a process or the host, and
// except for Load no file.
package policy

import "fmt"

// Policy is a policy file that has no problems. It is immutable and safe for concurrent use.
type Policy struct {
	// Name is the file's name as it was given.
	Name    string
	Version string
	Mode    Mode
	// BreakGlass is BreakGlassStandard if the file does not say.
	BreakGlass BreakGlass
	// Processes holds the entries in the file's order.
	Processes []Process
	// Default is for tasks that no entry claims; nil leaves them alone.
	Default  *Process
	Host     Host
	DNS      DNS
	Firewall Firewall
	Anomaly  Anomaly
	Alerts   Alerts
	Sinks    []Sink

	digest   string
	warnings []Warning
}

// Digest is the SHA-256 of what the policy says, in hexadecimal. Comments, layout, files and the order of keys do not change
// it; the order of entries and rules does, because the first of equals wins.
func (p *Policy) Digest() string { return p.digest }

// Warnings returns what the operator should know although the policy loads, in the file's order.
func (p *Policy) Warnings() []Warning { return append([]Warning(nil), p.warnings...) }

// Mode says what is done about an access that the policy does not allow.
type Mode string

// The modes.
const (
	ModeAudit   Mode = "audit"   // record
	ModeAlert   Mode = "alert"   // record and raise
	ModeEnforce Mode = "enforce" // prevent
)

// BreakGlass says whom nothing is refused, so that nobody locks himself out.
type BreakGlass string

// The answers.
const (
	// BreakGlassStandard: init itself, the guard, who logs people in, and the session that put the policy in force.
	BreakGlassStandard BreakGlass = "standard"
	BreakGlassNone     BreakGlass = "none"
)

// ParseMode returns the mode of that name.
func ParseMode(name string) (Mode, error) {
	switch mode := Mode(name); mode {
	case ModeAudit, ModeAlert, ModeEnforce:
		return mode, nil
	}
	return "", fmt.Errorf("mode %q is none of audit, alert, enforce", name)
}

// Position is a place in a policy file. Line and Column count from 1, Column in characters.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String returns file:line, the form that decisions name rules by.
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Access is a set of ways to use a file.
type Access uint8

// The ways to use a file, by the letters r, w and x.
const (
	AccessRead    Access = 1 << iota
	AccessWrite          // also create, truncate, delete, rename and change of metadata
	AccessExecute        // also map as executable

	AccessAll = AccessRead | AccessWrite | AccessExecute
)

// accessLetters[i] stands for the access 1<<i.
const accessLetters = "rwx"

// ParseAccess reads letters of r, w and x. ok is false for any other letter, a repeated one, or none.
func ParseAccess(letters string) (access Access, ok bool) {
	for i := range len(letters) {
		var bit Access
		switch letters[i] {
		case 'r':
			bit = AccessRead
		case 'w':
			bit = AccessWrite
		case 'x':
			bit = AccessExecute
		}
		if bit == 0 || access&bit != 0 {
			return 0, false
		}
		access |= bit
	}
	return access, access != 0
}

// String returns the letters in the order rwx.
func (a Access) String() string {
	var out []byte
	for i := range len(accessLetters) {
		if a&(1<<i) != 0 {
			out = append(out, accessLetters[i])
		}
	}
	return string(out)
}
