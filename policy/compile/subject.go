package compile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
)

// subjects compiles the process entries.
func (c *compiler) subjects() error {
	for i := range len(c.policy.Processes) + 1 {
		s, err := c.subject(c.entry(i))
		if i == DefaultSubject {
			s.Name = "default"
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		c.image.Subjects = append(c.image.Subjects, s)
		c.image.Inherits = c.image.Inherits || s.Inherit
	}
	return nil
}

func (c *compiler) subject(p *policy.Process) (s Subject, err error) {
	s = Subject{Name: p.Name, Mode: cmp.Or(p.Mode, c.policy.Mode), Inherit: p.Inherit, OnLimit: cmp.Or(p.OnLimit, policy.LimitRecord)}
	if err = c.files(p, &s.Paths); err != nil {
		return s, err
	}
	if s.Paths[ClassExec], err = c.programs(p); err != nil {
		return s, err
	}
	if s.Paths[ClassUnix], err = c.sockets(p); err != nil {
		return s, err
	}
	if s.Peers, err = c.peers(p); err != nil {
		return s, err
	}
	if s.Listen, err = c.listen(p); err != nil {
		return s, err
	}
	s.Syscalls, s.Capabilities = c.syscalls(p), c.capabilities(p)
	if p.AllowedNetwork.Present {
		s.Packet = c.image.Networks[s.Peers].Miss
	}
	c.limits(p, &s)
	return s, c.protect(p, &s)
}

func (c *compiler) limits(p *policy.Process, s *Subject) {
	for _, l := range []struct {
		key   string
		limit policy.Limit
		to    *Limit
	}{{"max_memory_mb", p.MaxMemoryMB, &s.MemoryMB}, {"max_cpu_percent", p.MaxCPUPercent, &s.CPUPercent}, {"max_processes", p.MaxProcesses, &s.Processes}} {
		if l.limit.Value > 0 {
			over := offence{TypeResource, event.SeverityHigh}
			*l.to = Limit{Value: uint32(l.limit.Value), Decision: c.denial(over, Rule{l.key, l.limit.Pos}, 0)}
		}
	}
	if p.NoSudo.Set {
		s.NoSudo = c.denial(offence{TypeExec, event.SeverityHigh}, Rule{"no_sudo", p.NoSudo.Pos}, 0)
	}
}

// protect compiles who may reach into a subject.
func (c *compiler) protect(p *policy.Process, s *Subject) error {
	for _, g := range []struct {
		key      string
		list     policy.List[policy.NameRule]
		severity event.Severity
		to       *Guard
	}{
		{"protect.signals", p.Protect.Signals, event.SeverityHigh, &s.Signals},
		{"protect.ptrace", p.Protect.Ptrace, event.SeverityCritical, &s.Ptrace},
	} {
		if !g.list.Present {
			continue
		}
		var members []uint32
		for _, r := range g.list.Rules {
			n, ok := c.number[r.Text]
			if !ok {
				return fmt.Errorf("%s: %s names %q, which is no process entry", r.Pos, g.key, r.Text)
			}
			members = append(members, n)
		}
		slices.Sort(members)
		members = slices.Compact(members)
		g.to.Members = Range{First: uint32(len(c.image.Members)), Count: uint32(len(members))}
		c.image.Members = append(c.image.Members, members...)
		g.to.Decision = c.run([]Decision{c.unlisted(offence{TypeProcess, g.severity}, keyOf(g.key, g.list))})
	}
	return nil
}
