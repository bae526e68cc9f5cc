package compile

import (
	"slices"

	"github.com/stockade-security/stockade/policy"
)

func (v *validator) subjects() {
	for i := range v.img.Subjects {
		s := &v.img.Subjects[i]
		v.mode(s.Mode)
		if s.OnLimit != policy.LimitRecord && s.OnLimit != policy.LimitKill {
			v.fail("%q is done at a limit", s.OnLimit)
		}
		for _, t := range s.Paths {
			v.decisionTable(t)
		}
		v.optional("network", len(v.img.Networks), s.Peers)
		v.optional("network", len(v.img.Networks), s.Listen)
		v.optional("system calls", len(v.img.Syscalls), s.Syscalls)
		v.optional("capabilities", len(v.img.Capabilities), s.Capabilities)
		for _, g := range []Guard{s.Signals, s.Ptrace} {
			v.run("members", g.Members, v.members)
			v.decision(g.Decision)
		}
		v.decision(s.Packet, s.NoSudo, s.MemoryMB.Decision, s.CPUPercent.Decision, s.Processes.Decision)
	}
	for i := range v.img.Syscalls {
		s := &v.img.Syscalls[i]
		v.decision(s.AMD64[:]...)
		v.decision(s.I386[:]...)
		v.decision(s.Miss)
	}
	for i := range v.img.Capabilities {
		v.decision(v.img.Capabilities[i][:]...)
	}
}

func (v *validator) actors() {
	v.table("set of actors", v.img.Actors, len(v.img.ActorSets))
	for i := range v.img.ActorSets {
		s := &v.img.ActorSets[i]
		v.below("claim", len(v.img.Claims), s.Claims...)
		if s.Grants.Has(0) || !slices.IsSorted(s.Claims) {
			v.fail("set %d of actors makes no sense", i)
		}
	}
	for i := range v.img.Claims {
		l := &v.img.Claims[i]
		v.below("subject", len(v.img.Subjects), l.Subject)
		for _, condition := range l.conditions() {
			v.table("value", condition.Table, anyValue)
		}
	}
}

func (v *validator) host() {
	h := &v.img.Host
	for _, t := range h.tables() {
		v.decisionTable(*t)
	}
	v.decision(h.BPF, h.Settime, h.Keyring, h.IOUring)
	v.optional("network", len(v.img.Networks), h.Metadata)
	v.options(h.Prctl)
	for _, p := range v.img.Settings.Resolvers {
		if !p.IsValid() {
			v.fail("a resolver has no address")
		}
	}
}
