package compile_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func TestLimits(t *testing.T) {
	img := compiled(t, everyKey(t))
	s := subject(t, img, "nginx")
	for want, limit := range map[string]compile.Limit{
		"512 HIGH by max_memory_mb": s.MemoryMB, "80 HIGH by max_cpu_percent": s.CPUPercent, "64 HIGH by max_processes": s.Processes,
	} {
		number, text, _ := strings.Cut(want, " ")
		if got := said(img, limit.Decision); got != text || number != strconv.Itoa(int(limit.Value)) {
			t.Errorf("%d %s, not %s", limit.Value, got, want)
		}
	}
	if got := said(img, s.NoSudo); got != "HIGH by no_sudo" {
		t.Error(got)
	}
	if s := subject(t, img, "web"); s.MemoryMB != (compile.Limit{}) || s.NoSudo != compile.NoDecision {
		t.Errorf("%+v", s)
	}
}

func TestProtect(t *testing.T) {
	img := compiled(t, everyKey(t))
	s := subject(t, img, "nginx")
	members := func(g compile.Guard) string {
		var names []string
		for _, n := range img.Members[g.Members.First:][:g.Members.Count] {
			names = append(names, img.Subjects[n].Name)
		}
		return strings.Join(names, " ") + ": " + said(img, g.Decision)
	}
	if got := members(s.Signals); got != "nginx systemd: HIGH not in protect.signals" {
		t.Error(got)
	}
	if got := members(s.Ptrace); got != ": CRITICAL not in protect.ptrace" {
		t.Error(got)
	}
	if s := subject(t, img, "web"); s.Signals.Decision != compile.NoDecision {
		t.Error("web is guarded")
	}
}

// TestUnknownNames: a policy that was not made by a reader may name what there is not.
func TestUnknownNames(t *testing.T) {
	pos := policy.Position{File: "p.yaml", Line: 7}
	rule := policy.List[policy.NameRule]{Present: true, Rules: []policy.NameRule{{Text: "nope", Pos: pos}}}
	for want, change := range map[string]func(*policy.Policy){
		`compile p.yaml: a: p.yaml:7: protect.signals names "nope", which is no process entry`: func(p *policy.Policy) { p.Processes[0].Protect.Signals = rule },
		`compile p.yaml: host: p.yaml:7: prctl has no option "nope"`:                           func(p *policy.Policy) { p.Host.BlockedPrctl = rule },
	} {
		p := parse(t, "processes: {a: {}}")
		change(p)
		if _, err := compile.Compile(p); err == nil || err.Error() != want {
			t.Errorf("%v\nnot %s", err, want)
		}
	}
	for _, change := range []func(*policy.Policy){
		func(p *policy.Policy) { p.Processes[0].Name = "\n" },
		func(p *policy.Policy) { p.Host.ModulesBlocked.Rules = []policy.NameRule{{Text: "\n", Pos: pos}} },
	} {
		p := parse(t, "processes: {a: {}}")
		p.Processes[0].Match = policy.Match{}
		change(p)
		if _, err := compile.Compile(p); err == nil || !strings.Contains(err.Error(), "control character") {
			t.Errorf("%v", err)
		}
	}
}
