package verdict

import (
	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy/compile"
)

// traceMe is the request of a task that asks its parent to trace it: who reaches in is the parent.
const traceMe = "PTRACE_TRACEME"

// Actor is who did an event, as entries ask for it, and its ancestors from the parent up. Of an exec that is the program
// that asked for the new one: what the process ran before, or if that is not known what its parent runs. An event
// without a process has no actor: ok is false.
func Actor(e *event.Event) (facts Facts, ancestors []event.Ref, ok bool) {
	p := e.Process
	if p == nil {
		return facts, nil, false
	}
	facts, ancestors = FactsOf(p), p.Parents
	switch {
	case e.Kind == event.KindExec && e.Exec != nil:
		facts.Exe, facts.SHA256 = e.Exec.Caller, ""
		if facts.Exe == "" && len(ancestors) > 0 {
			facts.Exe, ancestors = ancestors[0].Exe, ancestors[1:]
		}
	case e.Ptrace != nil && e.Ptrace.Request == traceMe:
		facts.Exe, facts.SHA256 = "", ""
		if len(ancestors) > 0 {
			facts.Exe, ancestors = ancestors[0].Exe, ancestors[1:]
		}
	}
	return facts, ancestors, true
}

// target is the subject of the process that an event's task reaches for. Of another process an event tells the
// executable alone, so that entries that ask for more do not claim it.
func target(img *compile.Image, e *event.Event) uint32 {
	switch {
	case e.Signal != nil:
		return Identify(img, Facts{Exe: e.Signal.Target.Exe}, nil).Subject
	case e.Ptrace != nil && e.Ptrace.Request == traceMe:
		return Identify(img, FactsOf(e.Process), e.Process.Parents).Subject
	case e.Ptrace != nil:
		return Identify(img, Facts{Exe: e.Ptrace.Target.Exe}, nil).Subject
	}
	return compile.DefaultSubject
}
