// Package guard lets a program check what it, or a process that it looks after, is about to do against a policy file.
//
// A Guard decides as the daemon does, by the same compiled policy, and tells its handlers of violations. It prevents
// nothing: the program asks before it acts, and is to refuse by itself what comes back with PolicyMode enforce. So it
// holds a program to its own intentions, and no attacker who runs code in it. It reads no kernel state and starts one
// goroutine.
package guard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// Guard checks accesses against the policy in force. Its methods are safe for concurrent use, and return at once but for
// Close. Make it with New, and end it with Close.
type Guard struct {
	force    atomic.Pointer[force]
	change   sync.Mutex // held to replace force
	handlers handlers
	stats    stats
}

// force is what is in force: it is replaced as a whole.
type force struct {
	image *compile.Image
	mode  policy.Mode // replaces the policy's own; empty: it does not
}

// LoadPolicy reads a policy file; the error holds every problem of the file.
func LoadPolicy(path string) (*policy.Policy, error) { return policy.Load(path) }

// New returns a guard by a policy. The error is of a policy that does not compile.
func New(p *policy.Policy) (*Guard, error) {
	g := &Guard{stats: newStats(time.Now())}
	if err := g.SetPolicy(p); err != nil {
		return nil, err
	}
	g.handlers.start()
	return g, nil
}

// SetPolicy puts another policy in force, from the next check on. On an error the old one stays. A mode that was set
// with SetMode holds on.
func (g *Guard) SetPolicy(p *policy.Policy) error {
	if p == nil {
		return errors.New("set policy: there is none")
	}
	image, err := compile.Compile(p)
	if err != nil {
		return fmt.Errorf("set policy: %w", err)
	}
	g.change.Lock()
	defer g.change.Unlock()
	next := force{image: image}
	if old := g.force.Load(); old != nil {
		next.mode = old.mode
	}
	g.force.Store(&next)
	return nil
}

// CurrentMode is the mode of entries without one of their own, or the one that SetMode has set for all.
func (g *Guard) CurrentMode() policy.Mode {
	f := g.force.Load()
	if f.mode != "" {
		return f.mode
	}
	return f.image.Mode
}

// SetMode replaces the modes of the policy and its entries. An unknown mode is an error and changes nothing.
func (g *Guard) SetMode(mode policy.Mode) error {
	if _, err := policy.ParseMode(string(mode)); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	g.change.Lock()
	defer g.change.Unlock()
	g.force.Store(&force{image: g.force.Load().image, mode: mode})
	return nil
}

// OnViolation adds a handler, which is told of each violation from now on. Handlers run one after the other in a
// goroutine of the guard's; violations that come faster than they work wait, at most 1,024, and beyond are counted as
// dropped. A handler that panics is counted and called again for the next violation.
func (g *Guard) OnViolation(handler func(event.Violation)) { g.handlers.add(handler) }

// Close waits until the handlers have been told of every violation so far, or ctx ends; then they are told of nothing
// more. Checks may go on; their violations are counted as dropped. Close may be called more than once, but not by a
// handler.
func (g *Guard) Close(ctx context.Context) error { return g.handlers.close(ctx) }

// Check judges an access of a process that the caller describes; nil: it is allowed, or the policy says nothing of it.
// The other checks are short for it.
func (g *Guard) Check(process verdict.Facts, pid int, a *verdict.Access) *event.Violation {
	f := g.force.Load()
	task := verdict.Identify(f.image, process, nil)
	return g.record(f, process, pid, task, a, verdict.Decide(f.image, task, a))
}

// record counts an access that has been decided, and tells of a violation.
func (g *Guard) record(f *force, process verdict.Facts, pid int, task verdict.Task, a *verdict.Access, d verdict.Decision) *event.Violation {
	g.stats.add(process.Exe, typeOf(a.Op), d.Denied)
	if !d.Denied {
		return nil
	}
	e := event.Event{
		Time: time.Now(), Evidence: event.EvidenceGuard,
		Process: &event.Process{Ref: event.Ref{PID: pid, Exe: process.Exe}},
	}
	v := verdict.Violation(f.image, f.mode, &e, task, a, d)
	g.handlers.tell(v)
	return &v
}

// factsOf describes a process by the path of its executable, or by the base name alone.
func factsOf(process string) verdict.Facts {
	if !strings.Contains(process, "/") {
		process = "/" + process
	}
	return verdict.Facts{Exe: process}
}

// typeOf is the type that violations of an operation have.
func typeOf(op verdict.Op) string {
	switch op {
	case verdict.OpExec:
		return string(compile.TypeExec)
	case verdict.OpFile:
		return string(compile.TypeFile)
	case verdict.OpConnect, verdict.OpSend, verdict.OpBind, verdict.OpListen:
		return string(compile.TypeNetwork)
	case verdict.OpSyscall:
		return string(compile.TypeSyscall)
	case verdict.OpMemory, verdict.OpCPU, verdict.OpProcesses:
		return string(compile.TypeResource)
	case verdict.OpCapability:
		return string(compile.TypeCapability)
	case verdict.OpSignal, verdict.OpPtrace:
		return string(compile.TypeProcess)
	case verdict.OpResolve:
		return string(compile.TypeDNS)
	case verdict.OpIngress, verdict.OpEgress:
		return string(compile.TypeFirewall)
	}
	return string(compile.TypeKernel)
}
