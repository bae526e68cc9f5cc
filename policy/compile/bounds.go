package compile

import (
	"fmt"

	"github.com/stockade-security/stockade/policy/automaton"
)

// The bounds of an image: what maps of fixed size in the kernel have room for. A policy beyond one is refused.
const (
	MaxRules     = 1 << 18
	MaxDecisions = 1 << 19
	MaxSubjects  = 1 << 12
	// MaxTableAutomata and MaxTableBytes bound one table.
	MaxTableAutomata = 8
	MaxTableBytes    = 8 << 20
	// MaxAutomata and MaxAutomataBytes bound all of them together.
	MaxAutomata      = 1 << 13
	MaxAutomataBytes = 64 << 20
	MaxActorSets     = 1 << 16
	MaxClaims        = 1 << 14
	MaxNetworks      = 1 << 13
	MaxPrefixes      = 1 << 18
	MaxPorts         = 1 << 19
	MaxNameSets      = 1 << 16
	MaxMembers       = 1 << 16
	MaxZones         = 1 << 8
	// MaxGrants bounds how many lists of executables one policy may have, one of them being nobody.
	MaxGrants = 256
)

func tableLimits() automaton.Limits {
	return automaton.Limits{Automata: MaxTableAutomata, Bytes: MaxTableBytes}
}

// BoundError says that a policy needs more of something than an image may hold.
type BoundError struct {
	// What is counted: rules, prefixes and the like.
	What      string
	Need, Max int
	// Subject is the process entry that needs most, Share of it.
	Subject string
	Share   int
}

func (e *BoundError) Error() string {
	text := fmt.Sprintf("the policy needs %d %s, and an image holds at most %d", e.Need, e.What, e.Max)
	if e.Subject != "" {
		text += fmt.Sprintf("; the process entry %s alone needs %d", e.Subject, e.Share)
	}
	return text
}
