package layout

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func (e *encoder) subjects() error {
	list := make([]Subject, len(e.img.Subjects))
	var all []uint32
	for i := range e.img.Subjects {
		s := &e.img.Subjects[i]
		out := Subject{
			Stable: StableOf(s.Name), Asks: asks(e.img, s), Peers: s.Peers, Listen: s.Listen, Packet: s.Packet,
			Syscalls: s.Syscalls, Capabilities: s.Capabilities, NoSudo: s.NoSudo,
			Signals: guard(s.Signals), Ptrace: guard(s.Ptrace), Processes: Limit{s.Processes.Value, s.Processes.Decision},
		}
		for class, t := range s.Paths {
			out.Paths[class] = table(t)
		}
		if s.Mode == policy.ModeEnforce {
			out.Flags |= Enforces
		}
		if s.Inherit {
			out.Flags |= Inherits
		}
		list[i] = out
		all = append(all, uint32(i))
	}
	for _, c := range e.img.Claims {
		if c.Container.Present {
			list[c.Subject].Flags |= Contained
		}
	}
	e.head.HostAsks, e.head.AnyAsks = hostAsks(e.img), Asks(e.img, all)
	e.head.Subjects = put(e, list)
	return e.stable(list)
}

func guard(g compile.Guard) Guard { return Guard{g.Members.First, g.Members.Count, g.Decision} }

// Asks is what the rules ask about that hold for some subjects, by their numbers: those of their entries, and if there are any
// subjects those of the host.
func Asks(img *compile.Image, subjects []uint32) uint32 {
	var out uint32
	for _, n := range subjects {
		out |= asks(img, &img.Subjects[n])
	}
	if len(subjects) == 0 {
		return 0
	}
	out |= hostAsks(img)
	if len(img.ActorSets) > 0 {
		out |= AskIdentity
	}
	return out
}

// asks is what the rules of an entry ask about.
func asks(img *compile.Image, s *compile.Subject) uint32 {
	out := bitsOf([]ask{
		{AskPeers, s.Peers != compile.NoTable},
		{AskListen, s.Listen != compile.NoTable},
		{AskPacket, s.Packet != compile.NoDecision},
		{AskSyscall, s.Syscalls != compile.NoTable},
		{AskSyscallKill, unhooked(img, s.Syscalls)},
		{AskCapability, s.Capabilities != compile.NoTable},
		{AskNoSudo, s.NoSudo != compile.NoDecision},
		{AskProcesses, s.Processes.Decision != compile.NoDecision},
	})
	for class, bit := range [...]uint32{AskExec, AskRead, AskWrite, AskMap, AskUnix} {
		if s.Paths[class] != (compile.Table{}) {
			out |= bit
		}
	}
	return out
}

// unhooked reports whether a table of system calls denies one that no LSM hook judges.
func unhooked(img *compile.Image, table uint32) bool {
	if table == compile.NoTable {
		return false
	}
	calls := &img.Syscalls[table]
	for n, id := range calls.AMD64 {
		if img.Decisions[id].Deny && syscalls.Hook(syscalls.X32(n)) == "" {
			return true
		}
	}
	for n, id := range calls.I386 {
		if img.Decisions[id].Deny && syscalls.Hook(syscalls.I386(n)) == "" {
			return true
		}
	}
	return img.Decisions[calls.Miss].Deny
}

// hostAsks is what is asked about whoever acts: by the rules of the host, and by who is reached for.
func hostAsks(img *compile.Image) uint32 {
	h, none := &img.Host, compile.Table{}
	out := bitsOf([]ask{
		{AskExec, h.Exec != none},
		{AskRead, h.Read != none},
		{AskWrite, h.Write != none},
		{AskDevice, h.Device != none},
		{AskMount, h.Mount != none},
		{AskModule, h.Module != none},
		{AskBPF, h.BPF != compile.NoDecision},
		{AskSettime, h.Settime != compile.NoDecision},
		{AskKeyring, h.Keyring != compile.NoDecision},
		{AskIOUring, h.IOUring != compile.NoDecision},
		{AskPrctl, len(h.Prctl) > 0},
		{AskMetadata, h.Metadata != compile.NoTable},
	})
	for i := range img.Subjects {
		s := &img.Subjects[i]
		out |= bitsOf([]ask{{AskSignal, s.Signals.Decision != compile.NoDecision}, {AskPtrace, s.Ptrace.Decision != compile.NoDecision}})
	}
	return out
}

type ask struct {
	bit uint32
	yes bool
}

func bitsOf(list []ask) (out uint32) {
	for _, a := range list {
		if a.yes {
			out |= a.bit
		}
	}
	return out
}

// stable makes the table from stable numbers to subjects: open addressing, at most half full.
func (e *encoder) stable(list []Subject) error {
	size := uint32(4)
	for size < 2*uint32(len(list)) {
		size *= 2
	}
	pairs := make([][2]uint32, size)
	for i := range list {
		at := list[i].Stable & (size - 1)
		for ; pairs[at][1] != 0; at = (at + 1) & (size - 1) {
			if pairs[at][0] == list[i].Stable {
				return fmt.Errorf("the entries %s and %s have names of the same number: rename one of them", e.img.Subjects[pairs[at][1]-1].Name, e.img.Subjects[i].Name)
			}
		}
		pairs[at] = [2]uint32{list[i].Stable, uint32(i) + 1}
	}
	e.head.Stable, e.head.StableMask = put(e, pairs), size-1
	return nil
}

// actors lays out what executables are to the policy.
func (e *encoder) actors() error {
	sets := make([]ActorSet, len(e.img.ActorSets))
	for i := range e.img.ActorSets {
		set := &e.img.ActorSets[i]
		for w, grants := range set.Grants {
			sets[i].Grants[2*w], sets[i].Grants[2*w+1] = uint32(grants), uint32(grants>>32)
		}
		sets[i].Claims = Range{put(e, set.Claims), uint32(len(set.Claims))}
	}
	claims := make([]Claim, len(e.img.Claims))
	for i := range e.img.Claims {
		c := &e.img.Claims[i]
		users, digests, err := e.users(c), []uint32(nil), error(nil)
		if digests, err = sums(c.SHA256); err != nil {
			return fmt.Errorf("the entry %s: %w", e.img.Subjects[c.Subject].Name, err)
		}
		claims[i] = Claim{
			Subject: c.Subject, Users: Range{put(e, users), uint32(len(users))}, SHA256: Range{put(e, digests), uint32(len(c.SHA256))},
			Name: condition(c.Name), Unit: condition(c.Unit), Cgroup: condition(c.Cgroup), Container: condition(c.Container),
		}
		if len(c.Users) > 0 {
			claims[i].Flags |= WithUsers
		}
		if len(c.SHA256) > 0 {
			claims[i].Flags |= WithSHA256
		}
	}
	e.head.ActorSets, e.head.Claims = put(e, sets), put(e, claims)
	return nil
}

func condition(c compile.Condition) Condition {
	if !c.Present {
		return Condition{}
	}
	return Condition{1, table(c.Table)}
}

// users are the numbers of a claim's users.
func (e *encoder) users(c *compile.Claim) []uint32 {
	var out []uint32
	for _, name := range c.Users {
		out = append(out, e.options.Users(name)...)
	}
	return out
}

// sums are digests as words, each in the order of its bytes.
func sums(hexadecimal []string) ([]uint32, error) {
	var out []uint32
	for _, text := range hexadecimal {
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("%q is not a SHA-256", text)
		}
		for ; len(sum) > 0; sum = sum[4:] {
			out = append(out, binary.LittleEndian.Uint32(sum))
		}
	}
	return out, nil
}
