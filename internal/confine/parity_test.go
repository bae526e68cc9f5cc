package confine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// TestEveryDeviationIsReported holds what Landlock is told to what verdict says, for random rules and every file of a tree: where
// the two differ, a gap about a rule says so, in that direction.
func TestEveryDeviationIsReported(t *testing.T) {
	names := []string{"a/x", "a/y", "a/deep/x", "a/deep/er/z", "b/x", "b/deep/y", "c"}
	dirs := []string{"", "a", "a/deep", "a/deep/er", "b", "b/deep"}
	patterns := []string{
		"ROOT/a/**", "ROOT/a{,/**}", "ROOT/**", "ROOT/a/x", "ROOT/a/*", "ROOT/*/x", "ROOT/{a,b}/deep/**", "ROOT/b/deep", "ROOT/c", "ROOT/none",
		"ROOT/a/deep/er/z", "ROOT/?", "**/x", "/**/deep/y", "ROOT/[ab]/y", "ROOT/link", "ROOT/linked/**", "ROOT/a/d*{,/**}", "**",
	}
	root := tree(t, names...)
	for link, to := range map[string]string{"link": "a/x", "linked": "b"} {
		if err := os.Symlink(to, path.Join(root, link)); err != nil {
			t.Skipf("no links: %v", err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	list := func(letters ...string) string {
		var out []string
		for range random.IntN(4) {
			out = append(out, fmt.Sprintf("%q", strings.TrimSpace(patterns[random.IntN(len(patterns))]+" "+letters[random.IntN(len(letters))])))
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	var checked, differed int
	for range 200 {
		text := "processes:\n  app:\n    inherit: true\n    no_sudo: true\n    allowed_files: " + list("r", "w", "rw", "") + "\n    blocked_files: " + list("r", "w", "x", "") +
			"\n    allowed_exec: " + list("") + "\n    blocked_exec: " + list("") + "\n"
		text = strings.ReplaceAll(text, "ROOT", root)
		plan, img, subject := planFor(t, text, "app", Kernel{Landlock: 7}, root+"/c")
		p, err := policy.Parse("p.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ask := func(name string, right access, a verdict.Access) {
			a.Path = name
			wants := !verdict.Decide(img, verdict.Task{Subject: subject}, &a).Denied
			gets := plan.landlock.missing(name, right) == 0
			checked++
			if wants == gets {
				return
			}
			differed++
			if !told(&p.Processes[0], plan, name, wants) {
				t.Errorf("%s: right %#x allowed by the policy: %v, granted: %v, and no gap tells:\n%s\n%s", name, right, wants, gets, text, gaps(plan))
			}
		}
		for _, name := range names {
			name = path.Join(root, name)
			ask(name, accessReadFile, verdict.Access{Op: verdict.OpFile, Letters: policy.AccessRead})
			ask(name, accessWriteFile, verdict.Access{Op: verdict.OpFile, Letters: policy.AccessWrite})
			ask(name, accessExecute, verdict.Access{Op: verdict.OpExec})
		}
		for _, name := range dirs {
			ask(path.Join(root, name), accessReadDir, verdict.Access{Op: verdict.OpFile, Letters: policy.AccessRead})
		}
		if t.Failed() {
			return
		}
	}
	if checked == 0 || differed == 0 {
		t.Errorf("%d accesses, %d deviations: the test tests nothing", checked, differed)
	}
}

// told reports whether a gap in that direction is about a rule that matches the file, or names it, unless it stands for many.
func told(p *policy.Process, plan *Plan, name string, closed bool) bool {
	for _, g := range plan.Gaps {
		if g.Closed != closed {
			continue
		}
		if strings.Contains(g.Why, name+" ") {
			return true
		}
		for _, l := range [][]policy.PathRule{p.AllowedFiles.Rules, p.BlockedFiles.Rules, p.AllowedExec.Rules, p.BlockedExec.Rules} {
			for _, r := range l {
				if r.Pos == g.Pos && (r.Glob.Match(name) || g.more > 0 && r.Glob.Match(name+"/x")) {
					return true
				}
			}
		}
	}
	return false
}
