package trial

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

const text = `mode: alert
processes:
  app:
    match: {exe: ["/opt/app"]}
    allowed_exec: ["/bin/ls"]
    allowed_files: ["/etc/**", "/srv/* r"]
    blocked_files:
      - "/etc/shadow"
      - "/etc/sh* r"
      - "/etc/{shadow,passwd} w"
    allowed_network: ["10.0.0.0/8:443/tcp", "*.example.com:8443"]
    blocked_network: ["10.1.0.0/16"]
    allowed_listen: ["80/tcp"]
    blocked_capabilities: [CAP_BPF]
    protect: {signals: []}
    max_memory_mb: 64
    no_sudo: true
  open:
    match: {name: [open]}
    blocked_syscalls: [ptrace]
host:
  files: [{path: /etc/secret, readers: [/usr/bin/passwd], writers: []}]
  bpf: {allow_exe: []}
`

func load(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("dir/p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t *testing.T, cases string) []Result {
	t.Helper()
	f, err := policy.ParseCases("c.yaml", []byte(cases))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(load(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return Run(img, f.Cases)
}

func TestRun(t *testing.T) {
	for line, want := range map[string][]Mismatch{
		`{given: app, when: r /etc/hosts, expect: allow}`:                                {},
		`{given: app, when: r /etc/shadow, expect: deny, rule: /etc/shadow}`:             {},
		`{given: app, when: r /etc/shadow, expect: deny, rule: 8}`:                       {},
		`{given: app, when: r /etc/shadow, expect: deny, rule: "p.yaml:8"}`:              {},
		`{given: app, when: r /etc/shadow, expect: deny, rule: "dir/p.yaml:8"}`:          {},
		`{given: app, when: r /home/x, expect: deny, rule: allowed_files}`:               {},
		`{given: /opt/app, when: r /home/x, expect: deny, subject: app}`:                 {},
		`{given: /bin/sh, when: r /home/x, expect: allow, rule: none, subject: default}`: {},
		`{given: app, when: "connect 192.0.2.1:8443/tcp", expect: undecided}`:            {},
		`{given: app, when: r /etc/shadow, expect: allow}`:                               {{"expect", "allow", "deny"}},
		`{given: app, when: r /etc/shadow, expect: deny, rule: 9, subject: open}`:        {{"rule", "9", "/etc/shadow (dir/p.yaml:8)"}, {"subject", "open", "app"}},
		`{given: /bin/sh, when: r /x, expect: allow, rule: x}`:                           {{"rule", "x", "none"}},
		`{given: "/a,b", when: r /x, expect: allow}`:                                     {{"case", "one that can be read", `parse task "/a,b": "b" is no KEY=VALUE`}},
		`{given: app, when: fly, expect: allow}`: {{
			"case", "one that can be read", `parse access "fly": write an operation and its object, such as r /etc/hosts or connect 192.0.2.1:443/tcp`,
		}},
	} {
		results := run(t, "cases: ["+line+"]")
		if len(results) != 1 {
			t.Fatalf("%s: %d results", line, len(results))
		}
		if got := append([]Mismatch{}, results[0].Mismatches()...); !cmp.Equal(want, got) {
			t.Errorf("%s\n%s", line, cmp.Diff(want, got))
		}
	}
}

func TestRunAsksEachAccess(t *testing.T) {
	results := run(t, "cases: [{name: n, given: app, when: [r /etc/hosts, r /etc/shadow], expect: allow}]")
	if len(results) != 2 || results[1].Title() != "n: app: r /etc/shadow" || results[0].Answer.Mode != policy.ModeAlert {
		t.Errorf("%+v", results)
	}
}

func TestJUnit(t *testing.T) {
	results := run(t, "cases: [{given: app, when: [r /etc/hosts, r /etc/shadow, \"r /<\\x01&\"], expect: allow}, {given: app, when: x, expect: deny}]")
	var out bytes.Buffer
	if err := WriteJUnit(&out, []Suite{{Name: "c.yaml", Results: results, Took: 1500 * time.Microsecond}}); err != nil {
		t.Fatal(err)
	}
	var back junitSuites
	if err := xml.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatalf("%v in\n%s", err, &out)
	}
	s := back.Suites[0]
	if s.Tests != 4 || s.Failures != 2 || s.Errors != 1 || s.Time != "0.001500" || len(s.Cases) != 4 {
		t.Errorf("%+v", s)
	}
	if c := s.Cases[1]; c.Failure == nil || c.Failure.Message != "expect: want allow, got deny" || c.Line != 1 || c.File != "c.yaml" || c.Failure.Text == "" {
		t.Errorf("%+v", c)
	}
	if c := s.Cases[2]; c.Name != "app: r /<\ufffd&" {
		t.Errorf("%+v", c)
	}
	broken := errors.New("broken")
	if err := WriteJUnit(failing{broken}, nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// summary is the answer, the runners-up and the change in a line each.
func summary(e *Explanation) string {
	var out []string
	line := func(a Answer) string { return strings.TrimSpace(a.Action + " " + a.Rule + " " + a.Position) }
	out = append(out, line(e.Answer))
	for _, a := range e.RunnersUp {
		out = append(out, "then "+line(a))
	}
	for _, c := range e.Flip {
		out = append(out, c.String())
	}
	if e.Flipped != nil {
		out = append(out, "gives "+e.Flipped.Action)
	}
	return strings.Join(out, "\n")
}

func TestExplain(t *testing.T) {
	p := load(t, text)
	app := Question{Facts: verdict.Facts{Exe: "/opt/app"}}
	for access, want := range map[string]string{
		"r /etc/shadow": `deny /etc/shadow dir/p.yaml:8
then deny /etc/sh* r dir/p.yaml:9
then allow /etc/** dir/p.yaml:6
then deny allowed_files dir/p.yaml:6
remove "/etc/shadow" at dir/p.yaml:8
remove "/etc/sh* r" at dir/p.yaml:9
gives allow`,
		"r /etc/hosts": `allow /etc/** dir/p.yaml:6
then deny allowed_files dir/p.yaml:6
add "/etc/hosts r" to processes.app.blocked_files at dir/p.yaml:7
gives deny`,
		"rw /srv/a[1]": `deny allowed_files dir/p.yaml:6
add "/srv/a\\[1] w" to processes.app.allowed_files at dir/p.yaml:6
gives allow`,
		"exec /bin/sh": `deny allowed_exec dir/p.yaml:5
add "/bin/sh" to processes.app.allowed_exec at dir/p.yaml:5
gives allow`,
		"exec /bin/ls": `allow /bin/ls dir/p.yaml:5
then deny allowed_exec dir/p.yaml:5
add processes.app.blocked_exec: ["/bin/ls"]
gives deny`,
		"setuid /bin/ls": `deny no_sudo dir/p.yaml:17
then allow /bin/ls dir/p.yaml:5
then deny allowed_exec dir/p.yaml:5
remove "no_sudo" at dir/p.yaml:17
gives allow`,
		"connect 10.1.2.3:443/tcp": `deny 10.1.0.0/16 dir/p.yaml:12
then allow 10.0.0.0/8:443/tcp dir/p.yaml:11
then deny allowed_network dir/p.yaml:11
remove "10.1.0.0/16" at dir/p.yaml:12
gives allow`,
		"connect 192.0.2.1:22/tcp,db.example.org": `deny allowed_network dir/p.yaml:11
add "db.example.org:22/tcp" to processes.app.allowed_network at dir/p.yaml:11
gives allow`,
		"connect [2001:db8::1]:22/sctp": `deny allowed_network dir/p.yaml:11
add "[2001:db8::1]:22" to processes.app.allowed_network at dir/p.yaml:11
gives allow`,
		"connect 192.0.2.1:8443/tcp": `undecided *.example.com:8443 dir/p.yaml:11
then deny allowed_network dir/p.yaml:11
add "192.0.2.1:8443/tcp" to processes.app.blocked_network at dir/p.yaml:12
gives deny`,
		"listen 0.0.0.0:80/tcp": `allow 80/tcp dir/p.yaml:13
then deny allowed_listen dir/p.yaml:13
remove "80/tcp" at dir/p.yaml:13
gives deny`,
		"listen 0.0.0.0:81/tcp": `deny allowed_listen dir/p.yaml:13
add "0.0.0.0:81/tcp" to processes.app.allowed_listen at dir/p.yaml:13
gives allow`,
		"capability CAP_BPF":     "deny CAP_BPF dir/p.yaml:14\nremove \"CAP_BPF\" at dir/p.yaml:14\ngives allow",
		"capability CAP_NET_RAW": "allow\nadd \"CAP_NET_RAW\" to processes.app.blocked_capabilities at dir/p.yaml:14\ngives deny",
		"memory 65":              "deny max_memory_mb dir/p.yaml:16\nremove \"max_memory_mb\" at dir/p.yaml:16\ngives allow",
		"syscall ptrace":         "allow\nadd processes.app.blocked_syscalls: [\"ptrace\"]\ngives deny",
		"r /etc/secret": `deny /etc/secret dir/p.yaml:22
then allow /etc/** dir/p.yaml:6
then deny allowed_files dir/p.yaml:6
add "/opt/app" to readers at dir/p.yaml:22
gives allow`,
		"bpf": `deny bpf.allow_exe dir/p.yaml:23
add "/opt/app" to allow_exe at dir/p.yaml:23
gives allow`,
		"resolve example.com": "allow",
	} {
		q := app
		q.Access = access
		e, err := Explain(p, q, 5)
		if err != nil {
			t.Errorf("%s: %v", access, err)
			continue
		}
		if diff := cmp.Diff(want, summary(e)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", access, diff)
		}
		if e.Flipped != nil && strings.Contains(e.Flipped.Position, added) {
			t.Errorf("%s: %+v stands nowhere", access, e.Flipped)
		}
		if e.Answer.Subject != "app" || e.Access != access {
			t.Errorf("%s: %+v", access, e)
		}
	}
}

// TestExplainLeavesThePolicyAlone makes sure that variants share nothing that they change.
func TestExplainLeavesThePolicyAlone(t *testing.T) {
	p := load(t, text)
	for _, access := range []string{"r /etc/shadow", "r /etc/hosts", "rw /srv/a", "bpf", "syscall ptrace"} {
		if _, err := Explain(p, Question{Subject: "app", Access: access}, 9); err != nil {
			t.Fatal(err)
		}
	}
	before, err := compile.Compile(load(t, text))
	if err != nil {
		t.Fatal(err)
	}
	after, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before.Bytes(), after.Bytes()) {
		t.Error("the policy has changed")
	}
}

func TestExplainTheOthers(t *testing.T) {
	p := load(t, text)
	for _, c := range []struct {
		q    Question
		want string
	}{
		{Question{Subject: "open", Access: "signal app"}, "deny protect.signals dir/p.yaml:15\nadd \"open\" to processes.app.protect.signals at dir/p.yaml:15\ngives allow"},
		{Question{Subject: "default", Access: "signal app"}, "deny protect.signals dir/p.yaml:15\nremove \"protect.signals\" at dir/p.yaml:15\ngives allow"},
		{Question{Subject: "open", Access: "bpf"}, "deny bpf.allow_exe dir/p.yaml:23\nremove \"bpf.allow_exe\" at dir/p.yaml:23\ngives allow"},
		{Question{Facts: verdict.Facts{Exe: "/bin/sh"}, Access: "r /x"}, "allow\nadd default.blocked_files: [\"/x r\"]\ngives deny"},
		{Question{Subject: "default", Access: "connect packet"}, "allow"},
		{Question{Subject: "app", Access: "connect packet"}, "deny allowed_network dir/p.yaml:11\nremove \"allowed_network\" at dir/p.yaml:11\ngives allow"},
	} {
		e, err := Explain(p, c.q, 5)
		if err != nil {
			t.Errorf("%+v: %v", c.q, err)
			continue
		}
		if diff := cmp.Diff(c.want, summary(e)); diff != "" {
			t.Errorf("%+v: -want +got:\n%s", c.q, diff)
		}
	}
}

// TestExplainTheHost adds the executable to the list of those that a rule about everybody lets through.
func TestExplainTheHost(t *testing.T) {
	p := load(t, `processes:
  app:
    allowed_network: ["unix:/run/a"]
host:
  exec: [{path: /bin/su, parents: [/bin/login]}]
  files: [{path: /etc/w, writers: []}, {path: /etc/rw, readers: [], writers: []}]
  devices: [{path: /dev/video0, allow_exe: []}]
  prctl: {block: [PR_SET_DUMPABLE]}
  kernel_modules: {allow: [nf_tables]}
  mounts: {block_sources: [/dev/sdb]}
  settime: {allow_exe: []}
`)
	for access, want := range map[string]string{
		"exec /bin/su":          "deny /bin/su p:5\nadd \"/usr/bin/app\" to parents at p:5\ngives allow",
		"w /etc/w":              "deny /etc/w p:6\nadd \"/usr/bin/app\" to writers at p:6\ngives allow",
		"rw /etc/rw":            "deny /etc/rw p:6\nadd \"/usr/bin/app\" to readers at p:6\nadd \"/usr/bin/app\" to writers at p:6\ngives allow",
		"ioctl /dev/video0":     "deny /dev/video0 p:7\nadd \"/usr/bin/app\" to allow_exe at p:7\ngives allow",
		"prctl PR_SET_DUMPABLE": "deny PR_SET_DUMPABLE p:8\nadd \"/usr/bin/app\" to allow_exe at p:8\ngives allow",
		"module nf_tables":      "allow nf_tables p:9\nthen deny kernel_modules.allow p:9\nremove \"nf_tables\" at p:9\ngives deny",
		"module xfs":            "deny kernel_modules.allow p:9\nremove \"kernel_modules.allow\" at p:9\ngives allow",
		"mount /dev/sdb":        "deny /dev/sdb p:10\nremove \"/dev/sdb\" at p:10\ngives allow",
		"settime":               "deny settime.allow_exe p:11\nadd \"/usr/bin/app\" to allow_exe at p:11\ngives allow",
		"connect unix:/run/b":   "deny allowed_network p:3\nadd \"unix:/run/b\" to processes.app.allowed_network at p:3\ngives allow",
		"syscall ptrace/i386":   "allow\nadd processes.app.blocked_syscalls: [\"ptrace\"]\ngives deny",
	} {
		e, err := Explain(p, Question{Facts: verdict.Facts{Exe: "/usr/bin/app"}, Access: access}, 5)
		if err != nil {
			t.Errorf("%s: %v", access, err)
			continue
		}
		got := strings.ReplaceAll(summary(e), "dir/p.yaml:", "p:")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", access, diff)
		}
	}
}

// TestExplainKeepsQuiet offers no change that cannot be written.
func TestExplainKeepsQuiet(t *testing.T) {
	p := load(t, "processes: {app: {allowed_files: []}}")
	e, err := Explain(p, Question{Subject: "app", Access: "r /a\x01b"}, 5)
	if err != nil || e.Action != Deny || len(e.Flip) != 1 || e.Flip[0].Do != "remove" {
		t.Errorf("%+v, error %v", e, err)
	}
}

func TestExplainRefuses(t *testing.T) {
	p := load(t, text)
	for _, q := range []Question{{Subject: "none", Access: "r /x"}, {Subject: "app", Access: "r"}, {Subject: "app"}} {
		if _, err := Explain(p, q, 5); err == nil {
			t.Errorf("%+v is answered", q)
		}
	}
}

func TestExplainStops(t *testing.T) {
	var rules []string
	for i := range 20 {
		rules = append(rules, `"/a`+strings.Repeat("*", i+1)+`"`)
	}
	p := load(t, "processes: {app: {blocked_files: [\n"+strings.Join(rules, ",\n")+"]}}")
	e, err := Explain(p, Question{Subject: "app", Access: "r /ab"}, 3)
	if err != nil || len(e.RunnersUp) != 3 || len(e.Flip) != 0 || e.Flipped != nil {
		t.Errorf("%+v, error %v", e, err)
	}
}
