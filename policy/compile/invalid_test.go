package compile_test

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// TestInvalid changes one thing of an image that those who execute it rely on.
func TestInvalid(t *testing.T) {
	const many = 1 << 20
	data := compiled(t, everyKey(t)).Bytes()
	for want, change := range map[string]func(*compile.Image){
		"the policy's digest is none":         func(i *compile.Image) { i.Digest = "ab" },
		`mode "" is none of`:                  func(i *compile.Image) { i.Mode = "" },
		`mode "x" is none of`:                 func(i *compile.Image) { i.Subjects[1].Mode = "x" },
		"no rules, decisions or subjects":     func(i *compile.Image) { i.Decisions = nil },
		"no rules, decisions or subjects ":    func(i *compile.Image) { i.Subjects = nil },
		"the first decision says something":   func(i *compile.Image) { i.Decisions[0].Deny = true },
		"decision 1 makes no sense":           func(i *compile.Image) { i.Decisions[1].Type = "x" },
		"decision 1 makes no sense ":          func(i *compile.Image) { i.Decisions[1].Severity = "" },
		"decision 1 makes no sense  ":         func(i *compile.Image) { i.Decisions[1].Deny = false },
		"rule 1048576 of":                     func(i *compile.Image) { i.Decisions[1].Rule = many },
		"grant 256 of 256":                    func(i *compile.Image) { i.Decisions[1].Grant = compile.MaxGrants },
		"automaton 0: ":                       func(i *compile.Image) { i.Automata[0].Start = many },
		"automaton 0: byte 0x07 has no class": func(i *compile.Image) { i.Automata[0].Classes[7] = 0 },
		"automata 1048576 to 1048577 of":      func(i *compile.Image) { i.Actors.Automata = compile.Range{First: many, Count: 1} },
		"automata 4294967295 to 8589934590":   func(i *compile.Image) { i.Actors.Automata = compile.Range{First: 1<<32 - 1, Count: 1<<32 - 1} },
		"a table of 9 automata":               func(i *compile.Image) { i.Host.Names.Automata = compile.Range{Count: 9} },
		"decision 1048576 of":                 func(i *compile.Image) { i.Subjects[1].Paths[0].Miss = many },
		"decision 104":                        func(i *compile.Image) { i.Subjects[1].Paths[compile.ClassExec].Base = many },
		"decision 1048576 of ":                func(i *compile.Image) { i.Subjects[1].Paths[0].Long = many },
		"decision 1048576 of  ":               func(i *compile.Image) { i.Host.BPF = many },
		"decision 1048576 of   ":              func(i *compile.Image) { i.Syscalls[0].I386[511] = many },
		"decision 1048576 of    ":             func(i *compile.Image) { i.Capabilities[0][63] = many },
		"decision 1048576 of     ":            func(i *compile.Image) { i.Firewall.Zones[0].ICMP[0].Decision = many },
		"decision ":                           func(i *compile.Image) { i.Decisions = i.Decisions[:5] },
		"set of actors ":                      func(i *compile.Image) { i.ActorSets = i.ActorSets[:1] },
		"set of names ":                       func(i *compile.Image) { i.Networks[0].Names.Count = 0 },
		"sets of names ":                      func(i *compile.Image) { i.Networks[0].Names.Count = many },
		"claim 1048576 of":                    func(i *compile.Image) { i.ActorSets[0].Claims = []uint32{many} },
		"set 0 of actors makes no sense":      func(i *compile.Image) { i.ActorSets[0].Claims = []uint32{1, 0} },
		"set 0 of actors makes no sense ":     func(i *compile.Image) { i.ActorSets[0].Grants[0] |= 1 },
		"subject 1048576 of":                  func(i *compile.Image) { i.Claims[0].Subject = many },
		"subject 1048576 of ":                 func(i *compile.Image) { i.Members[0] = many },
		"network 1048576 of":                  func(i *compile.Image) { i.Subjects[1].Peers = many },
		"network 1048576 of ":                 func(i *compile.Image) { i.Firewall.Egress = many },
		"network 4294967295 of":               func(i *compile.Image) { i.Firewall.Zones[0].Peers = compile.NoTable },
		"system calls 1048576 of":             func(i *compile.Image) { i.Subjects[1].Syscalls = many },
		"capabilities 1048576 of":             func(i *compile.Image) { i.Subjects[1].Capabilities = many },
		`"x" is done at a limit`:              func(i *compile.Image) { i.Subjects[1].OnLimit = "x" },
		"port range 0 makes no sense":         func(i *compile.Image) { i.Ports[0].First, i.Ports[0].Last = 2, 1 },
		"port range 0 makes no sense ":        func(i *compile.Image) { i.Ports[0].Decision = 0 },
		"port range 0 makes no sense  ":       func(i *compile.Image) { i.Ports[0].Protocol = 3 },
		"ports from 0 on are not sorted":      func(i *compile.Image) { i.NameSets[0] = compile.Range{Count: uint32(len(i.Ports))} },
		"ports 1048576 to":                    func(i *compile.Image) { i.NameSets[0] = compile.Range{First: many, Count: 1} },
		"members from 0 on are not sorted":    func(i *compile.Image) { i.Members[0], i.Members[1] = i.Members[1], i.Members[0] },
		"network 0: prefix 0 is none":         func(i *compile.Image) { i.Networks[0].Prefixes[0].Prefix = netip.MustParsePrefix("10.0.0.1/8") },
		"network 0: prefix 0 is none ": func(i *compile.Image) {
			i.Networks[0].Prefixes[0].Prefix = netip.MustParsePrefix("::ffff:10.0.0.1/128")
		},
		"network 0: prefixes are not sorted": func(i *compile.Image) { p := i.Networks[0].Prefixes; p[0], p[1] = p[1], p[0] },
		"options are not sorted":             func(i *compile.Image) { p := i.Host.Prctl; p[0], p[1] = p[1], p[0] },
		"a resolver has no address":          func(i *compile.Image) { i.Settings.Resolvers[0] = netip.PrefixFrom(netip.IPv4Unspecified(), 77) },
		"an address of 0 bytes":              func(i *compile.Image) { i.Settings.Resolvers[0] = netip.Prefix{} },
	} {
		img, err := compile.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		change(img)
		if _, err := compile.Decode(img.Bytes()); err == nil || !strings.HasPrefix(err.Error(), "decode image: "+strings.TrimRight(want, " ")) {
			t.Errorf("%v\nnot %s", err, want)
		}
	}
}

// TestHostile gives Decode what costs it most: cells that are all states, with all classes.
func TestHostile(t *testing.T) {
	img := compiled(t, parse(t, "processes: {p: {}}"))
	a := automaton.Automaton{Cells: make([]automaton.Cell, 1<<18)}
	for i := range a.Classes {
		a.Classes[i] = uint8(max(1, i))
	}
	for i := range a.Cells {
		a.Cells[i] = automaton.Cell{Check: automaton.None, Next: uint32(min(i+1, len(a.Cells)-256))}
	}
	img.Automata = []automaton.Automaton{a}
	data := img.Bytes()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := compile.Decode(data); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*uint64(len(data)) {
		t.Errorf("%d bytes took %d bytes of memory", len(data), used)
	}
}
