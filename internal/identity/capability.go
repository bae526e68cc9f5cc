package identity

import "github.com/stockade-security/stockade/event"

// maxCapSets bounds the cache of capability sets; a host uses a few dozen.
const maxCapSets = 512

// capabilities names a set, and shares the slice between the processes that have it.
func (t *Table) capabilities(set uint64) []string {
	names, ok := t.caps[set]
	if !ok {
		names = event.CapabilityNames(set)
		if len(t.caps) < maxCapSets {
			t.caps[set] = names
		}
	}
	return names
}
