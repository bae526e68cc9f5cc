package automaton_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stockade-security/stockade/policy/automaton"
)

// TestBuildPrefixes compares with a search through all prefixes.
func TestBuildPrefixes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{4, 16} {
		for range 200 {
			list := randomPrefixes(r, size, r.IntN(40))
			a := automaton.BuildPrefixes(list)
			if err := a.Validate(); err != nil {
				t.Fatal(err)
			}
			for range 100 {
				addr := randomAddr(r, size)
				want, bits := uint32(automaton.None), -1
				for _, p := range list {
					if p.Prefix.Contains(addr) && p.Prefix.Bits() > bits {
						want, bits = p.Value, p.Prefix.Bits()
					}
				}
				if got := a.Match(automaton.HalfBytes(addr)); got != want {
					t.Fatalf("%s: %d, want %d, of %v", addr, got, want, list)
				}
			}
		}
	}
}

// randomAddr has few different bytes, so that addresses share beginnings.
func randomAddr(r *rand.Rand, size int) netip.Addr {
	bytes := make([]byte, size)
	for i := range bytes {
		bytes[i] = [...]byte{0, 1, 10, 0x7f, 0x80, 0xff}[r.IntN(6)]
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

func randomPrefixes(r *rand.Rand, size, n int) []automaton.Prefix {
	var out []automaton.Prefix
	seen := map[netip.Prefix]bool{}
	for i := range n {
		p := netip.PrefixFrom(randomAddr(r, size), r.IntN(8*size+1)).Masked()
		if !seen[p] {
			out = append(out, automaton.Prefix{Prefix: p, Value: uint32(i)})
		}
		seen[p] = true
	}
	return out
}
