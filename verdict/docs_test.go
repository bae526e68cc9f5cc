package verdict_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// A line of a "decisions" block is
//
//	ACTOR ACCESS OBJECT allowed|denied|undecided [line N]
//
// with blanks between, ACTOR as verdict.ParseTask and ACCESS and OBJECT as verdict.ParseAccess read them.

// TestDocs runs the examples of docs/policy.md: after each policy, a block of accesses with what is decided, and after
// each bad policy the text of its error.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```([a-z-]+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	policies, cases := 0, 0
	var img *compile.Image
	var problem error
	for _, block := range blocks {
		switch body := block[2]; block[1] {
		case "yaml":
			policies++
			var p *policy.Policy
			img = nil
			if p, problem = policy.Parse("policy.yaml", []byte(body)); problem == nil {
				img, problem = compile.Compile(p)
			}
		case "decisions":
			if img == nil {
				t.Fatalf("the policy before\n%sdoes not load: %v", body, problem)
			}
			for line := range strings.Lines(body) {
				cases++
				checkLine(t, img, strings.TrimSpace(line))
			}
		case "cases":
			cases += checkCases(t, img, body)
		case "text":
			if problem == nil {
				t.Fatalf("the policy before\n%sloads", body)
			}
			cases++
			if diff := cmp.Diff(body, problem.Error()+"\n"); diff != "" {
				t.Errorf("-documented +got:\n%s", diff)
			}
		}
	}
	if policies < 4 || cases < 20 {
		t.Errorf("only %d policies with %d cases found", policies, cases)
	}
}

// checkLine decides what a line says and compares.
func checkLine(t *testing.T, img *compile.Image, line string) {
	t.Helper()
	f := strings.Fields(line)
	if len(f) != 4 && (len(f) != 6 || f[4] != "line") {
		t.Errorf("not a decision: %q", line)
		return
	}
	rule := ""
	if len(f) == 6 {
		rule = "policy.yaml:" + f[5]
	}
	a := parseAccess(t, img, f[1], f[2])
	task := parseTask(t, img, f[0])
	d := verdict.Decide(img, task, &a)
	answer := "allowed"
	switch {
	case d.Denied:
		answer = "denied"
	case d.Undecided:
		answer = "undecided"
	}
	if answer != f[3] || d.Position(img) != rule {
		t.Errorf("documented: %s\ndecided: %s by %q: %s", line, answer, d.Position(img), verdict.Detail(img, task, &a, d))
	}
}

// checkCases decides the accesses of a file of cases and compares.
func checkCases(t *testing.T, img *compile.Image, body string) (count int) {
	t.Helper()
	f, err := policy.ParseCases("policy_test.yaml", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Cases {
		for _, when := range c.When {
			count++
			op, object, _ := strings.Cut(when.Text, " ")
			task, a := parseTask(t, img, c.Given.Text), parseAccess(t, img, op, object)
			d := verdict.Decide(img, task, &a)
			if d.Denied != (c.Expect == "deny") || c.Rule.Text != "" && c.Rule.Text != d.Rule(img).Text || c.Subject.Text != "" && c.Subject.Text != img.Subjects[task.Subject].Name {
				t.Errorf("documented: %+v\ndecided: %+v, %s", c, d, d.Position(img))
			}
		}
	}
	return count
}

// parseTask and parseAccess fail the test on what cannot be read.
func parseTask(t testing.TB, img *compile.Image, text string) verdict.Task {
	t.Helper()
	task, err := verdict.ParseTask(img, text)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func parseAccess(t testing.TB, img *compile.Image, op, object string) verdict.Access {
	t.Helper()
	a, err := verdict.ParseAccess(img, op+" "+object)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
