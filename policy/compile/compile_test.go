package compile_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compiled(t testing.TB, p *policy.Policy) *compile.Image {
	t.Helper()
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// everyKey is a policy with all keys that an image depends on.
func everyKey(t testing.TB) *policy.Policy {
	t.Helper()
	text, err := os.ReadFile("testdata/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

// subject returns the process entry of that name.
func subject(t testing.TB, img *compile.Image, name string) *compile.Subject {
	t.Helper()
	for i := range img.Subjects {
		if img.Subjects[i].Name == name {
			return &img.Subjects[i]
		}
	}
	t.Fatalf("no subject %s", name)
	return nil
}

// look returns the number that a table yields.
func look(img *compile.Image, table compile.Table, text string) uint32 {
	if len(text) > compile.MaxPath {
		return table.Long
	}
	automata := img.Automata[table.Automata.First:][:table.Automata.Count]
	if n := automaton.MatchAll(automata, text); n != automaton.None {
		return table.Base + n
	}
	return table.Miss
}

// said is a decision for people: "allowed" or a severity, and the text of the rule.
func said(img *compile.Image, n uint32) string {
	d := img.Decisions[n]
	switch {
	case n == compile.NoDecision:
		return ""
	case d.Unlisted:
		return string(d.Severity) + " not in " + img.Rules[d.Rule].Text
	case d.Deny:
		return string(d.Severity) + " by " + img.Rules[d.Rule].Text
	}
	return "allowed by " + img.Rules[d.Rule].Text
}

func TestEntriesShareWhatIsAlike(t *testing.T) {
	img := compiled(t, policy.Builtin())
	tables := map[compile.Range]bool{}
	for _, s := range img.Subjects {
		for _, table := range s.Paths {
			tables[table.Automata] = true
		}
	}
	if len(tables) > 20 || len(img.Networks) > 5 {
		t.Errorf("%d subjects of few kinds have %d tables and %d networks", len(img.Subjects), len(tables), len(img.Networks))
	}
}

// TestAlikeButForLines: such entries share their automata, and are decided by their own lines.
func TestAlikeButForLines(t *testing.T) {
	img := compiled(t, parse(t, "processes:\n  a: {blocked_files: [/etc/x]}\n  b: {blocked_files: [/etc/x]}\n"))
	for i, line := range []int{2, 3} {
		s := img.Subjects[i+1]
		d := img.Decisions[look(img, s.Paths[compile.ClassRead], "/etc/x")]
		if pos := img.Rules[d.Rule].Pos; pos.Line != line {
			t.Errorf("entry %d is decided by line %d", i, pos.Line)
		}
		if s.Paths[compile.ClassRead].Automata != img.Subjects[1].Paths[compile.ClassExec].Automata {
			t.Error("the same patterns have several automata")
		}
	}
}

func TestWithoutKeys(t *testing.T) {
	img := compiled(t, parse(t, "processes: {p: {}}"))
	for i, name := range []string{"default", "p"} {
		want := compile.Subject{
			Name: name, Mode: policy.ModeAudit, OnLimit: policy.LimitRecord,
			Peers: compile.NoTable, Listen: compile.NoTable, Syscalls: compile.NoTable, Capabilities: compile.NoTable,
		}
		if img.Subjects[i] != want {
			t.Errorf("%+v", img.Subjects[i])
		}
	}
	if diff := cmp.Diff(compile.Host{Metadata: compile.NoTable}, img.Host); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(compile.Firewall{Egress: compile.NoTable}, img.Firewall); diff != "" {
		t.Error(diff)
	}
}

func TestWholeImage(t *testing.T) {
	p := everyKey(t)
	img := compiled(t, p)
	if img.Digest != p.Digest() || img.Mode != policy.ModeAlert {
		t.Errorf("digest %s, mode %s", img.Digest, img.Mode)
	}
	if s := subject(t, img, "nginx"); s.Mode != policy.ModeEnforce || !s.Inherit || s.OnLimit != policy.LimitKill {
		t.Errorf("%+v", s)
	}
	if s := img.Subjects[compile.DefaultSubject]; s.Name != "default" || s.Mode != policy.ModeAlert || said(img, s.NoSudo) != "HIGH by no_sudo" {
		t.Errorf("%+v", s)
	}
	if s := img.Settings; len(s.Resolvers) != 2 || s.Lease.PerName != 256 || len(s.Sinks) != 2 || s.Anomaly.BruteForce.Threshold != 10 || len(s.Alerts.OnCritical.Rules) != 2 {
		t.Errorf("%+v", s)
	}
}
