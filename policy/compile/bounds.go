package compile

import (
	"fmt"

	"github.com/stockade-security/stockade/policy/automaton"
)

// The bounds of an image: what maps of fixed size in the kernel have room for. A policy beyond one is refused.
const (
	MaxBytes     = 128 << 20 // of the binary form
	MaxRules     = 1 << 17
	MaxDecisions = 1 << 18
	MaxSubjects  = 1 << 12
	// MaxTableAutomata and MaxTableBytes bound one table.
	MaxTableAutomata = 8
	MaxTableBytes    = 8 << 20
	// MaxAutomata and MaxCells bound all tables together; a cell has 8 bytes.
	MaxAutomata  = 1 << 13
	MaxCells     = 1 << 23
	MaxActorSets = 1 << 16
	MaxClaims    = 1 << 14
	MaxNetworks  = 1 << 13
	MaxPrefixes  = 1 << 17
	MaxPorts     = 1 << 18
	MaxNameSets  = 1 << 16
	MaxMembers   = 1 << 16
	MaxZones     = 1 << 8
	// MaxGrants bounds how many lists of executables one policy may have, nobody among them.
	MaxGrants = 256
)

func tableLimits() automaton.Limits {
	return automaton.Limits{Automata: MaxTableAutomata, Bytes: MaxTableBytes}
}

// slack is how far over a bound a policy may go until that is noticed: then its compilation is given up.
const slack = 2

// BoundError says that a policy needs more of something than an image may hold.
type BoundError struct {
	// What is counted: rules, prefixes and the like.
	What      string
	Need, Max int
	// Subject is the process entry that needs most of it, and Share is how much; empty if that is not known.
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

// check compares a compiled image with the bounds.
func (img *Image) check() error {
	e, share := img.over()
	if e == nil {
		return nil
	}
	if share != nil {
		for _, size := range img.Sizes() {
			if n := share(&size); n > e.Share {
				e.Subject, e.Share = size.Subject, n
			}
		}
	}
	return e
}

// over returns the bound that the image is over, nil if none, and how to tell a subject's share. It follows no number in
// the image, which may have been made by anybody.
func (img *Image) over() (*BoundError, func(*Size) int) {
	total := img.Size()
	for _, b := range []struct {
		what      string
		need, max int
		share     func(*Size) int
	}{
		{"process entries", len(img.Subjects), MaxSubjects, nil},
		{"rules", len(img.Rules), MaxRules, nil},
		{"decisions", len(img.Decisions), MaxDecisions, nil},
		{"automata", total.Automata, MaxAutomata, func(s *Size) int { return s.Automata }},
		{"cells of automata", total.Cells, MaxCells, func(s *Size) int { return s.Cells }},
		{"kinds of executables", len(img.ActorSets), MaxActorSets, nil},
		{"claims", len(img.Claims), MaxClaims, nil},
		{"networks", len(img.Networks), MaxNetworks, nil},
		{"prefixes", total.Prefixes, MaxPrefixes, func(s *Size) int { return s.Prefixes }},
		{"port ranges", total.Ports, MaxPorts, func(s *Size) int { return s.Ports }},
		{"sets of host names", len(img.NameSets), MaxNameSets, nil},
		{"members of protect", len(img.Members), MaxMembers, nil},
		{"zones", len(img.Firewall.Zones), MaxZones, nil},
	} {
		if b.need > b.max {
			return &BoundError{What: b.what, Need: b.need, Max: b.max}, b.share
		}
	}
	return nil, nil
}
