package verdict_test

import (
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// TestDocs runs the examples of docs/policy.md: after each policy, a block of accesses with what is decided, and after
// each bad policy the text of its error.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```([a-z-]+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	policies, cases := 0, 0
	var img *verdict.Image
	var problem error
	for _, block := range blocks {
		switch body := block[2]; block[1] {
		case "yaml":
			policies++
			var p *policy.Policy
			img = nil
			if p, problem = policy.Parse("policy.yaml", []byte(body)); problem == nil {
				img = verdict.Compile(p)
			}
		case "decisions":
			if img == nil {
				t.Fatalf("the policy before\n%sdoes not load: %v", body, problem)
			}
			for line := range strings.Lines(body) {
				cases++
				checkDecision(t, img, strings.TrimSpace(line))
			}
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

// checkDecision reads "SUBJECT ACCESS OBJECT allowed|denied [line N]".
func checkDecision(t *testing.T, img *verdict.Image, line string) {
	t.Helper()
	f := strings.Fields(line)
	if len(f) != 4 && len(f) != 6 {
		t.Errorf("not a decision: %q", line)
		return
	}
	rule := ""
	if len(f) == 6 {
		rule = "policy.yaml:" + f[5]
	}
	got := verdict.Decide(img.Subject(f[0]), parseAccess(t, f[1], f[2]))
	if got.Denied != (f[3] == "denied") || got.Rule != rule {
		t.Errorf("documented: %s\ndecided: %+v", line, got)
	}
}

// parseAccess reads "OP OBJECT" as docs/policy.md writes it.
func parseAccess(t testing.TB, op, object string) verdict.Access {
	t.Helper()
	a := verdict.Access{Path: object}
	switch op {
	case "exec":
		a.Op = verdict.OpExec
		return a
	case "connect", "send", "bind":
		a.Op = map[string]verdict.Op{"connect": verdict.OpConnect, "send": verdict.OpSend, "bind": verdict.OpBind}[op]
		if name, ok := strings.CutPrefix(object, "unix:"); ok {
			a.Path = name
			return a
		}
		a.Path = ""
		if object == "packet" {
			return a
		}
		i := strings.LastIndexByte(object, '/')
		a.Peer, a.Protocol = netip.MustParseAddrPort(object[:i]), object[i+1:]
		return a
	}
	letters, ok := policy.ParseAccess(op)
	if !ok {
		t.Fatalf("no such access: %s", op)
	}
	a.Op, a.Letters = verdict.OpFile, letters
	return a
}
