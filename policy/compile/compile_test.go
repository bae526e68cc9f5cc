package compile_test

import (
	"testing"

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

// automata returns those of a table.
func automata(img *compile.Image, r compile.Range) []automaton.Automaton {
	return img.Automata[r.First:][:r.Count]
}

// look returns the number that a table yields.
func look(img *compile.Image, table compile.Table, text string) uint32 {
	if len(text) > compile.MaxPath {
		return table.Long
	}
	if n := automaton.MatchAll(automata(img, table.Automata), text); n != automaton.None {
		return n
	}
	return table.Miss
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

// TestEntriesKeepApart: what is alike but for the line that says it has tables of its own.
func TestEntriesKeepApart(t *testing.T) {
	img := compiled(t, parse(t, "processes:\n  a: {blocked_files: [/etc/x]}\n  b: {blocked_files: [/etc/x]}\n"))
	for i, line := range []int{2, 3} {
		d := img.Decisions[look(img, img.Subjects[i+1].Paths[compile.ClassRead], "/etc/x")]
		if pos := img.Rules[d.Rule].Pos; pos.Line != line {
			t.Errorf("entry %d is decided by line %d", i, pos.Line)
		}
	}
}

func TestPaths(t *testing.T) {
	img := compiled(t, parse(t, `processes:
  p:
    blocked_files: ["/etc/**", "/etc/ssh/*_key", "/etc/ssh/*", "/data/x w", "/opt/x x"]
    allowed_files: ["/data/** r", "/data/*/log w"]
    allowed_exec: ["/bin/true", "git"]
`))
	s := img.Subjects[1]
	for _, tt := range []struct {
		class compile.Class
		path  string
		deny  bool
		rule  string
	}{
		{compile.ClassRead, "/etc/passwd", true, "/etc/**"},
		{compile.ClassRead, "/etc/ssh/a_key", true, "/etc/ssh/*_key"},
		{compile.ClassRead, "/etc/ssh/moduli", true, "/etc/ssh/*"},
		{compile.ClassRead, "/data/x", false, "/data/** r"},
		{compile.ClassWrite, "/data/x", true, "/data/x w"},
		{compile.ClassWrite, "/data/a/log", false, "/data/*/log w"},
		{compile.ClassMap, "/data/a/log", true, "allowed_files"},
		{compile.ClassExec, "/opt/x", true, "/opt/x x"},
		{compile.ClassExec, "/data/x", true, "allowed_exec"},
		{compile.ClassExec, "/x/git", false, "git"},
	} {
		d := img.Decisions[look(img, s.Paths[tt.class], tt.path)]
		if rule := img.Rules[d.Rule]; d.Deny != tt.deny || rule.Text != tt.rule {
			t.Errorf("%d %s: denied %v by %s", tt.class, tt.path, d.Deny, rule.Text)
		}
	}
}
