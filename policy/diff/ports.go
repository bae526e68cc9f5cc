package diff

import (
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy/compile"
)

// block is a stretch of ports at some addresses.
type block struct {
	stretch
	spans []span
	// every: of all protocols.
	every bool
}

// blocks collects blocks, one for each stretch.
type blocks struct {
	all   []*block
	index map[stretch]*block
}

// add adds addresses, which come in ascending order.
func (b *blocks) add(s stretch, at ...span) {
	f := b.index[s]
	if f == nil {
		f = &block{stretch: s}
		b.index[s] = f
		b.all = append(b.all, f)
	}
	for _, one := range at {
		if n := len(f.spans) - 1; n >= 0 && f.spans[n].last.Next() == one.first {
			f.spans[n].last = one.last
		} else {
			f.spans = append(f.spans, one)
		}
	}
}

// list tells what is there for each protocol once.
func (b *blocks) list() []*block {
	var out []*block
	for _, f := range b.all {
		f.every = true
		for protocol := range compile.ProtocolCount {
			other := f.stretch
			other.protocol = protocol
			same := b.index[other]
			f.every = f.every && same != nil && slices.Equal(f.spans, same.spans)
		}
		if !f.every || f.protocol == 0 {
			out = append(out, f)
		}
	}
	return out
}

// String writes the addresses, if it has any, the ports and the protocol.
func (f *block) String() string {
	out := make([]string, len(f.spans))
	for i, s := range f.spans {
		out[i] = s.String()
	}
	protocol := [...]string{"tcp", "udp", "other protocols"}[f.protocol]
	if f.every {
		protocol = "any protocol"
	}
	text := strings.TrimPrefix(strings.Join(out, ", ")+f.ports()+", "+protocol, ", ")
	return strings.TrimPrefix(text, " ")
}

// sweep cuts the ports of each protocol where an answer begins or ends, and returns what differs.
func sweep(a, b []said, missA, missB Side) []stretch {
	var out []stretch
	for protocol := range compile.ProtocolCount {
		cuts := []int{0, 1 << 16}
		for _, s := range slices.Concat(a, b) {
			if s.protocol == protocol {
				cuts = append(cuts, int(s.first), int(s.last)+1)
			}
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		for i := range len(cuts) - 1 {
			s := stretch{protocol, uint16(cuts[i]), uint16(cuts[i+1] - 1), answer(a, protocol, cuts[i], missA).plain(), answer(b, protocol, cuts[i], missB).plain()}
			switch n := len(out) - 1; {
			case s.from.answer == s.to.answer:
			case n >= 0 && out[n].protocol == protocol && int(out[n].last)+1 == int(s.first) && out[n].from == s.from && out[n].to == s.to:
				out[n].last = s.last
			default:
				out = append(out, s)
			}
		}
	}
	return out
}

// answer is the first that speaks of a port.
func answer(list []said, protocol compile.Protocol, port int, miss Side) Side {
	for _, s := range list {
		if s.protocol == protocol && int(s.first) <= port && port <= int(s.last) {
			return s.side
		}
	}
	return miss
}
