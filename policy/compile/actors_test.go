package compile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/glob"
)

// actor returns the claims and grants of an executable.
func actor(img *compile.Image, exe string) (claims []uint32, grants compile.Grants) {
	for _, a := range img.Automata[img.Actors.Automata.First:][:img.Actors.Automata.Count] {
		n := a.Match(exe)
		if n == automaton.None {
			continue
		}
		claims = append(claims, img.ActorSets[n].Claims...)
		for i, word := range img.ActorSets[n].Grants {
			grants[i] |= word
		}
	}
	slices.Sort(claims)
	return claims, grants
}

func TestClaims(t *testing.T) {
	img := compiled(t, parse(t, `processes:
  exact: {match: {exe: [/usr/bin/python3, "/opt/**"]}}
  tree: {match: {exe: ["/usr/bin/*", "/opt/x/*"]}}
  conditions: {match: {exe: ["/usr/bin/*"], user: root}}
  python3: {}
  unit: {match: {unit: web.service}}
  both: {match: {exe: ["/usr/**"], name: [python3, perl]}}
  "odd{,}[name]": {match: {name: 'a\b[c]'}}
  nobody: {match: {exe: []}}
`))
	for exe, want := range map[string]string{
		"/usr/bin/python3": "exact conditions tree both python3 unit",
		"/usr/bin/perl":    "conditions tree both unit",
		"/usr/lib/x":       "both unit",
		"/opt/x/y":         "tree exact unit",
		"/opt/y":           "exact unit",
		"/x/python3":       "python3 unit",
		"/x/python3.11":    "unit",
		`/x/a\b[c]`:        "odd{,}[name] unit",
		"":                 "unit",
	} {
		claims, _ := actor(img, exe)
		var got []string
		for _, n := range claims {
			got = append(got, img.Subjects[img.Claims[n].Subject].Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, not %s", exe, got, want)
		}
	}
}

func TestConditions(t *testing.T) {
	img := compiled(t, everyKey(t))
	holds := func(c compile.Condition, text string) bool { return c.Present && look(img, c.Table, text) == 1 }
	for _, c := range img.Claims {
		switch name := img.Subjects[c.Subject].Name; name {
		case "nginx":
			if !holds(c.Name, "/x/openresty") || holds(c.Name, "/x/nginx2") || !holds(c.Unit, "nginx-a.service") || holds(c.Unit, "x.service") {
				t.Errorf("%+v", c)
			}
			if !slices.Equal(c.Users, []string{"www-data", "33"}) || c.Cgroup.Present || c.Container.Present || c.SHA256 != nil {
				t.Errorf("%+v", c)
			}
		case "systemd":
			if !holds(c.Cgroup, "/init.scope") || holds(c.Cgroup, "/init.scope/x") || c.Name.Present {
				t.Errorf("%+v", c)
			}
		case "web":
			if !holds(c.Container, "docker.io/library/web:1") {
				t.Errorf("%+v", c)
			}
		case "tool":
			if len(c.SHA256) != 1 || c.Users != nil {
				t.Errorf("%+v", c)
			}
		}
	}
}

// TestConditionsWithoutRules: such a condition can never hold.
func TestConditionsWithoutRules(t *testing.T) {
	p := parse(t, "processes: {p: {match: {user: root}}}")
	p.Processes[0].Match.User.Rules = nil
	if img := compiled(t, p); len(img.Claims) != 0 {
		t.Errorf("%+v", img.Claims)
	}
	p.Processes[0].Match = policy.Match{}
	if claims, _ := actor(compiled(t, p), "/usr/bin/p"); len(claims) != 1 {
		t.Error("an entry without a match is not claimed by its key")
	}
}

func TestGrants(t *testing.T) {
	img := compiled(t, everyKey(t))
	granted := func(n uint32, exe string) bool {
		_, grants := actor(img, exe)
		return img.Decisions[n].Deny && grants.Has(img.Decisions[n].Grant)
	}
	h := img.Host
	for i, tt := range []struct {
		decision uint32
		exe      string
		want     bool
	}{
		{look(img, h.Read, "/etc/shadow"), "/usr/bin/passwd", true},
		{look(img, h.Read, "/etc/shadow"), "/usr/sbin/unix_chkpwd", true},
		{look(img, h.Write, "/etc/shadow"), "/usr/sbin/unix_chkpwd", false},
		{look(img, h.Write, "/etc/shadow"), "/usr/bin/passwd", true},
		{look(img, h.Write, "/etc/shadow"), "/usr/bin/dpkg", false},
		{look(img, h.Write, "/etc/hosts"), "/usr/bin/dpkg", true},
		{look(img, h.Exec, "/usr/bin/nsenter"), "/usr/sbin/sshd", true},
		{look(img, h.Exec, "/usr/bin/nsenter"), "/bin/sh", false},
		{look(img, h.Device, "/dev/video0"), "/usr/sbin/sshd", false},
		{h.BPF, "/usr/sbin/stockade", true},
		{h.BPF, "/usr/sbin/sshd", false},
		{h.Settime, "/usr/sbin/chronyd", true},
		{h.Keyring, "/usr/bin/keyctl", true},
		{h.IOUring, "/usr/bin/keyctl", false},
		{h.Prctl[0].Decision, "/usr/bin/criu", true},
		{h.Prctl[1].Decision, "/usr/bin/keyctl", false},
	} {
		if !img.Decisions[tt.decision].Deny || granted(tt.decision, tt.exe) != tt.want {
			t.Errorf("%d: %s may: %v", i, tt.exe, !tt.want)
		}
	}
	if _, grants := actor(img, "/usr/bin/passwd"); grants.Has(0) {
		t.Error("somebody has grant 0, which is nobody's")
	}
}

// TestGrantsKeepApart: two lists that read alike are two.
func TestGrantsKeepApart(t *testing.T) {
	img := compiled(t, parse(t, "processes: {p: {}}\nhost: {bpf: {allow_exe: [/a, /b]}, settime: {allow_exe: [\"/a /b\"]}, keyrings: {allow_exe: [/a, /b]}}\n"))
	grant := func(n uint32) uint32 { return img.Decisions[n].Grant }
	if h := img.Host; grant(h.BPF) == grant(h.Settime) || grant(h.BPF) != grant(h.Keyring) {
		t.Errorf("grants %d, %d, %d", grant(h.BPF), grant(h.Settime), grant(h.Keyring))
	}
}

func TestTooManyGrants(t *testing.T) {
	p := parse(t, "processes: {p: {}}")
	for i := range compile.MaxGrants {
		rule := policy.PathRule{Text: fmt.Sprint("/bin/", i), Access: policy.AccessAll}
		rule.Glob, _ = glob.Parse(rule.Text)
		p.Host.Exec.Rules = append(p.Host.Exec.Rules, policy.StartRule{
			Path: rule, Parents: policy.List[policy.PathRule]{Present: true, Rules: []policy.PathRule{rule}},
		})
	}
	wantBound(t, p, "the policy needs 256 lists of executables, and an image holds at most 255")
	p.Host.Exec.Rules = p.Host.Exec.Rules[1:]
	compiled(t, p)
}
