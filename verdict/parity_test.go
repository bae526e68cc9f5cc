package verdict_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/test/naive"
	"github.com/stockade-security/stockade/verdict"
)

// TestParity compares the answers of the compiled image with those of the naive matcher, on random policies.
func TestParity(t *testing.T) { parity(t, 100) }

// TestSoakParity is TestParity with 10,000 policies.
func TestSoakParity(t *testing.T) {
	if os.Getenv("STOCKADE_SOAK") == "" {
		t.Skip("set STOCKADE_SOAK=1")
	}
	parity(t, 10_000)
}

// accessesEach is how many accesses are asked of each policy.
const accessesEach = 100

func parity(t *testing.T, policies int) {
	answers := map[string]int{}
	differences := 0
	for seed := range policies {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		text, byText := naive.Write(r)
		p, err := policy.Parse("p.yaml", []byte(text))
		if err != nil {
			t.Fatalf("policy %d: %v\n%s", seed, err, text)
		}
		img, err := compile.Compile(p)
		if err != nil {
			t.Fatalf("policy %d: %v", seed, err)
		}
		for range accessesEach {
			q := naive.Ask(r)
			want := byText.Decide(q)
			who := verdict.Identify(img, q.Task, q.Ancestors)
			a := q.Access
			a.Target = verdict.Identify(img, q.Target, nil).Subject
			d := verdict.Decide(img, who, &a)
			got := naive.Answer{Denied: d.Denied, Undecided: d.Undecided, Line: d.Rule(img).Pos.Line}
			answers[fmt.Sprintf("op %d: denied %t, undecided %t", a.Op, d.Denied, d.Undecided)]++
			if got == want {
				continue
			}
			t.Errorf("policy %d: %+v\nby %+v after %+v (subject %s), to %+v\nimage: %+v: %s\nnaive: %+v",
				seed, a, q.Task, q.Ancestors, img.Subjects[who.Subject].Name, q.Target, got, verdict.Detail(img, who, &a, d), want)
			if differences++; differences == 5 {
				t.Fatalf("the last policy:\n%s", numbered(text))
			}
		}
	}
	t.Logf("%d policies, %d accesses, %d differences", policies, policies*accessesEach, differences)
	checkSpread(t, answers)
}

// checkSpread makes sure that the accesses of each operation are both allowed and denied.
func checkSpread(t *testing.T, answers map[string]int) {
	for op := verdict.OpExec; op <= verdict.OpEgress; op++ {
		for _, denied := range []bool{false, true} {
			if key := fmt.Sprintf("op %d: denied %t, undecided false", op, denied); answers[key] == 0 {
				t.Errorf("no access answered %s", key)
			}
		}
	}
	if key := fmt.Sprintf("op %d: denied false, undecided true", verdict.OpConnect); answers[key] == 0 {
		t.Errorf("no access answered %s", key)
	}
}

func numbered(text string) string {
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		fmt.Fprintf(&out, "%3d %s\n", i+1, line)
	}
	return out.String()
}
