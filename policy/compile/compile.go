package compile

import (
	"fmt"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/glob"
)

// Compile makes the image of a policy. The error names what of the policy is wrong by its position, or is a *BoundError.
func Compile(p *policy.Policy) (*Image, error) {
	c := newCompiler(p)
	for _, step := range []func() error{c.subjects, c.host, c.firewall, c.actors, c.image.check} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("compile %s: %w", p.Name, err)
		}
	}
	return c.image, nil
}

// compiler holds the image while it grows, and what is in it already, so that what entries share is there once.
type compiler struct {
	policy *policy.Policy
	image  *Image
	// number holds the number of each process entry.
	number map[string]uint32
	// granted holds the lists of executables by grant; grants holds their numbers. Nobody has grant 0.
	granted [][]*glob.Glob
	grants  map[string]uint32

	cells    int // of all automata
	rules    map[Rule]uint32
	runs     map[string]uint32
	tables   map[string]Range
	ports    map[string]Range
	networks map[string]uint32
}

func newCompiler(p *policy.Policy) *compiler {
	c := &compiler{
		policy: p,
		image: &Image{
			Digest: p.Digest(), Mode: p.Mode,
			Rules: make([]Rule, 1), Decisions: make([]Decision, 1),
			Settings: settings(p),
		},
		granted:  make([][]*glob.Glob, 1),
		number:   map[string]uint32{"default": DefaultSubject},
		grants:   map[string]uint32{},
		rules:    map[Rule]uint32{{}: 0},
		runs:     map[string]uint32{},
		tables:   map[string]Range{},
		ports:    map[string]Range{},
		networks: map[string]uint32{},
	}
	for i := range p.Processes {
		c.number[p.Processes[i].Name] = uint32(i + 1)
	}
	return c
}

func settings(p *policy.Policy) Settings {
	s := Settings{BreakGlass: p.BreakGlass, Lease: p.DNS.Lease, Anomaly: p.Anomaly, Alerts: p.Alerts, Sinks: p.Sinks}
	for _, r := range p.DNS.Resolvers.Rules {
		s.Resolvers = append(s.Resolvers, r.Prefixes...)
	}
	return s
}

// entry returns the policy's entry of a subject: a policy without a default has one without keys.
func (c *compiler) entry(subject int) *policy.Process {
	switch {
	case subject != DefaultSubject:
		return &c.policy.Processes[subject-1]
	case c.policy.Default != nil:
		return c.policy.Default
	}
	return &policy.Process{}
}
