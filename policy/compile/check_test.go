package compile

import (
	"errors"
	"testing"

	"github.com/stockade-security/stockade/policy/automaton"
)

// TestBounds makes images that hold one thing more than there may be.
func TestBounds(t *testing.T) {
	for what, img := range map[string]*Image{
		"process entries":      {Subjects: make([]Subject, MaxSubjects+1)},
		"rules":                {Rules: make([]Rule, MaxRules+1)},
		"decisions":            {Decisions: make([]Decision, MaxDecisions+1)},
		"automata":             {Automata: make([]automaton.Automaton, MaxAutomata+1)},
		"cells of automata":    {Automata: []automaton.Automaton{{Cells: make([]automaton.Cell, MaxCells+1)}}},
		"kinds of executables": {ActorSets: make([]ActorSet, MaxActorSets+1)},
		"claims":               {Claims: make([]Claim, MaxClaims+1)},
		"networks":             {Networks: make([]Network, MaxNetworks+1)},
		"prefixes":             {Subjects: make([]Subject, 1), Networks: []Network{{Prefixes: make([]Prefix, MaxPrefixes+1)}}},
		"port ranges":          {Ports: make([]Port, MaxPorts+1)},
		"sets of host names":   {NameSets: make([]Range, MaxNameSets+1)},
		"members of protect":   {Members: make([]uint32, MaxMembers+1)},
		"zones":                {Firewall: Firewall{Zones: make([]Zone, MaxZones+1)}},
	} {
		if img.validate() == nil { // with numbers of what there is not
			t.Errorf("%s: valid", what)
		}
		for i := range img.Subjects {
			img.Subjects[i] = Subject{Peers: NoTable, Listen: NoTable}
		}
		bound, ok := errors.AsType[*BoundError](img.check())
		if !ok || bound.What != what || bound.Need != bound.Max+1 {
			t.Errorf("%s: %v", what, bound)
		}
	}
}
