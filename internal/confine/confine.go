// Package confine holds one command to a process entry of a policy by what a process may do to itself without privilege:
// Landlock for files, programs and TCP ports, seccomp for system calls and sockets, no_new_privs, the capability sets and
// resource limits.
//
// It plans before it acts, and a plan says rule by rule what these mechanisms cannot express: each Gap is more or less than the
// policy allows. They are coarser than rules. Of files that a rule may not mean they give nothing; of ports and sockets they
// give what some allowed use needs. The package refuses to judge whether a plan with gaps is good enough, and it records nothing: what the kernel refuses here, nobody sees
// but the command.
package confine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// Kernel is what the kernel can do. See Detect.
type Kernel struct {
	// Landlock is the version of its interface; 0: there is none, and NoLandlock says why.
	Landlock   int
	NoLandlock string
	// NoSeccomp says why there are no filters of system calls; empty if there are.
	NoSeccomp string
}

// Input is what is asked for. Image is Policy's, and Subject one of its numbers.
type Input struct {
	Policy  *policy.Policy
	Image   *compile.Image
	Subject uint32
	Command *Command
	Kernel  Kernel
	// Path is where programs are searched, as in the environment. UID is the real user id.
	Path string
	UID  int
}

// Gap is a part of the policy that the plan does not hold.
type Gap struct {
	Pos policy.Position
	// Rule is the rule as written, or a key.
	Rule string
	// Closed: the plan refuses what the policy allows. Else it lets through what the policy denies.
	Closed bool
	Why    string

	// format and more fold what is alike of many files.
	format string
	more   int
}

// String is one line, with names from outside as they are.
func (g Gap) String() string {
	effect := "not refused"
	if g.Closed {
		effect = "refused although allowed"
	}
	why := g.Why
	if g.more > 0 {
		why += fmt.Sprintf(" (and %d more)", g.more)
	}
	return fmt.Sprintf("%s: %s: %s: %s", g.Pos, g.Rule, effect, why)
}

// Plan is what holds a command. The zero value holds nothing.
type Plan struct {
	// Gaps are in the file's order.
	Gaps []Gap

	landlock ruleset
	filter   code
	// capabilities has a bit for each that is dropped.
	capabilities uint64
	// processes is the limit of the user's processes; 0 leaves it.
	processes uint64
	// confined: no_new_privs is set.
	confined bool
}

// New plans for a subject in enforce mode. It reads the names and types of files, and the beginnings of programs.
func New(in Input) *Plan {
	p := &planner{Input: in, process: entry(in.Policy, in.Subject), calls: newCalls()}
	p.plan.confined = true
	p.lineage()
	p.files()
	p.programs()
	p.network()
	p.host()
	p.syscalls()
	p.limits()
	p.plan.landlock.finish(in.Kernel.Landlock)
	slices.SortStableFunc(p.plan.Gaps, func(a, b Gap) int {
		return cmp.Or(strings.Compare(a.Pos.File, b.Pos.File), a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column)
	})
	return &p.plan
}

// entry returns the policy's entry of a subject: a policy without a default has one without keys.
func entry(p *policy.Policy, subject uint32) *policy.Process {
	switch {
	case subject != compile.DefaultSubject:
		return &p.Processes[subject-1]
	case p.Default != nil:
		return p.Default
	}
	return &policy.Process{}
}

// planner is one call of New.
type planner struct {
	Input
	process *policy.Process
	plan    Plan
	calls   calls
	sockets sockets
}

// open notes what is not refused, closed what is refused beyond the policy.
func (p *planner) open(pos policy.Position, rule, why string, args ...any) {
	p.plan.Gaps = append(p.plan.Gaps, Gap{Pos: pos, Rule: rule, Why: fmt.Sprintf(why, args...)})
}

func (p *planner) closed(pos policy.Position, rule, why string, args ...any) {
	p.plan.Gaps = append(p.plan.Gaps, Gap{Pos: pos, Rule: rule, Closed: true, Why: fmt.Sprintf(why, args...)})
}

// fold is open or closed for one of many files that a rule stands for: a second one with the same format is counted.
func (p *planner) fold(closed bool, rule *policy.PathRule, format string, args ...any) {
	for i := range p.plan.Gaps {
		if g := &p.plan.Gaps[i]; g.Pos == rule.Pos && g.Closed == closed && g.format == format {
			g.more++
			return
		}
	}
	p.plan.Gaps = append(p.plan.Gaps, Gap{Pos: rule.Pos, Rule: rule.Text, Closed: closed, Why: fmt.Sprintf(format, args...), format: format})
}

// lineage notes where an entry for a task and its children is another thing than a confinement that nobody can leave.
func (p *planner) lineage() {
	q := p.process
	name := q.Name
	if p.Subject == compile.DefaultSubject {
		name = "default"
	}
	switch named := p.Subject != compile.DefaultSubject; {
	case len(p.Policy.Processes) > 1 || !named || !q.Inherit && p.Policy.Default != nil:
		p.open(q.Pos, name, "programs that the command starts keep to this entry, and are not held to the one that claims them")
	case !q.Inherit:
		p.closed(q.Pos, name, "programs that the command starts keep to this entry, as with inherit")
	}
	if !q.NoSudo.Set {
		p.closed(q.Pos, name, "no program gains privilege by set-user-id, set-group-id or file capabilities, as with no_sudo: Landlock and seccomp ask for it")
	}
	if p.Kernel.NoSeccomp != "" {
		p.open(q.Pos, name, "%s, so the command can put input into its terminal, for whoever reads it next", p.Kernel.NoSeccomp)
	} else {
		p.calls.control(terminalControls...)
	}
	for _, l := range []struct {
		key  string
		list policy.List[policy.NameRule]
	}{{"protect.signals", q.Protect.Signals}, {"protect.ptrace", q.Protect.Ptrace}} {
		if l.list.Present {
			p.open(l.list.Pos, l.key, "it is about other processes, which are not confined here")
		}
	}
}
