//go:build linux

package enforcer

import (
	"fmt"

	"github.com/stockade-security/stockade/policy"
)

// Session is an operator's: what is of it is not refused while break-glass holds.
type Session struct {
	// CgroupID is the inode of its cgroup v2 directory, CgroupLevel that one's depth below the root; 0: none.
	CgroupID    uint64
	CgroupLevel uint32
	// Audit is its number as the kernel's audit has it; NoSession: none.
	Audit uint32
	// Guard is the process of the guard itself.
	Guard uint32
}

// NoSession is the audit number of what no log-in began.
const NoSession = ^uint32(0)

// change writes the settings with what set changes of them.
func (e *Enforcer) set(change func(*fileSetting)) error {
	var s fileSetting
	if err := e.maps["settings"].Lookup(uint32(0), &s); err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	change(&s)
	if err := e.maps["settings"].Put(uint32(0), &s); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}

// modes are MODE_… of label.h.
var modes = map[policy.Mode]uint32{"": 0, policy.ModeAudit: 1, policy.ModeAlert: 2, policy.ModeEnforce: 3}

func (e *Enforcer) setMode(mode policy.Mode) error {
	return e.set(func(s *fileSetting) { s.Mode = modes[mode] })
}

// SetSession says who is not refused, besides init, and whether anybody is.
func (e *Enforcer) SetSession(session Session, glass bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.set(func(s *fileSetting) {
		s.SessionCgroup, s.SessionLevel, s.SessionId, s.Guard = session.CgroupID, session.CgroupLevel, session.Audit, session.Guard
		s.Glass = 0
		if glass {
			s.Glass = 1
		}
	})
}

// setLabelling says for which slots new tasks are labelled; one of generation 0 is none.
func (e *Enforcer) setLabelling(list ...slot) error {
	return e.set(func(s *fileSetting) {
		s.Labelling = 0
		for _, one := range list {
			if one.generation != 0 {
				s.Labelling |= 1 << one.number
			}
		}
	})
}
