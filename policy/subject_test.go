package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSubjects loads a file with every key of entries, default and host.
func TestSubjects(t *testing.T) {
	p, err := Load("testdata/subjects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "testdata/subjects.json", said(t, p))
	web := p.Processes[0]
	service := web.AllowedSyscalls.Rules[0]
	if len(service.Names) < 300 || !slices.IsSorted(service.Names) || !slices.Contains(service.Names, "openat") {
		t.Errorf("@system-service is %d calls: %q", len(service.Names), service.Names)
	}
	if got := web.BlockedSyscalls.Rules[1].Names; !slices.Equal(got, []string{"kexec_load"}) {
		t.Errorf("a single call is %q", got)
	}
	for place, want := range map[Position]int{
		web.Pos: 5, web.Match.Pos: 8, web.Match.Name.Pos: 10, web.Match.SHA256.Rules[0].Pos: 15, web.Protect.Signals.Rules[1].Pos: 29,
		web.MaxMemoryMB.Pos: 31, web.NoSudo.Pos: 35, p.Default.Pos: 41, p.Host.Files.Rules[1].Path.Pos: 52, p.Host.DenyMetadata.Pos: 61,
	} {
		if place.Line != want || place.File != "testdata/subjects.yaml" {
			t.Errorf("%v is not line %d", place, want)
		}
	}
	if got := p.Host.Files.Rules[1].Path.Access; got != AccessWrite {
		t.Errorf("a file with writers only is about %s", got)
	}
}

// TestMatchOfKey: an entry without match is found by its key.
func TestMatchOfKey(t *testing.T) {
	p := mustParse(t, "processes: {nginx: {}, web: {match: {unit: web.service}}}")
	got := []List[NameRule]{p.Processes[0].Match.Name, p.Processes[1].Match.Name}
	if !got[0].Present || got[0].Rules[0].Text != "nginx" || got[1].Present {
		t.Errorf("%+v", got)
	}
}

// TestRuleWarnings: each policy has the warnings that stand below it, as LINE KIND OTHER TEXT.
func TestRuleWarnings(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"twice", `
    allowed_files: [/a r, "/b", /a r]`, `4 no_effect 4 "/a r" changes nothing: "/a r" at p.yaml:4 covers it`},
		{"wider before", `
    blocked_files:
      - "/srv/**"
      - "/srv/*/log rw"
      - "/other"`, `6 no_effect 5 "/srv/*/log rw" changes nothing: "/srv/**" at p.yaml:5 covers it`},
		{"wider behind", `
    allowed_exec: [/usr/bin/git, "/usr/bin/*"]`, `4 no_effect 4 "/usr/bin/git" changes nothing: "/usr/bin/*" at p.yaml:4 covers it`},
		{"name and path", `
    blocked_exec: [sh, /bin/sh, "**/sh"]`, `4 no_effect 4 "/bin/sh" changes nothing: "sh" at p.yaml:4 covers it
4 no_effect 4 "**/sh" changes nothing: "sh" at p.yaml:4 covers it`},
		{"more letters", `
    allowed_files: ["/srv/** r", "/srv/log rw", "/srv/x w"]`, ``},
		{"blocked whole", `
    allowed_files: ["/etc/shadow r", "/etc/passwd rw"]
    blocked_files: ["/etc/s*", "/etc/passwd w"]`, `4 contradiction 5 "/etc/shadow r" allows nothing: "/etc/s*" at p.yaml:5 blocks it`},
		{"blocked to run", `
    allowed_exec: [/tmp/run, /bin/sh, /bin/ls]
    blocked_exec: ["/bin/*sh"]
    blocked_files: ["/tmp/** x"]`, `4 contradiction 6 "/tmp/run" allows nothing: "/tmp/** x" at p.yaml:6 blocks it
4 contradiction 5 "/bin/sh" allows nothing: "/bin/*sh" at p.yaml:5 blocks it`},
		{"calls", `
    allowed_syscalls: [read, "@basic-io", ptrace, "@mount", "@default", "@system-service", read]
    blocked_syscalls: ["@mount", "@debug"]`, `4 no_effect 4 "read" changes nothing: "@basic-io" at p.yaml:4 covers it
4 no_effect 4 "@basic-io" changes nothing: "@system-service" at p.yaml:4 covers it
4 contradiction 5 "ptrace" allows nothing: "@debug" at p.yaml:5 blocks it
4 contradiction 5 "@mount" allows nothing: "@mount" at p.yaml:5 blocks it
4 no_effect 4 "@default" changes nothing: "@system-service" at p.yaml:4 covers it
4 no_effect 4 "read" changes nothing: "read" at p.yaml:4 covers it`},
		{"a call twice", `
    blocked_syscalls: [ptrace, bpf, PTRACE]`, `4 no_effect 4 "ptrace" changes nothing: "ptrace" at p.yaml:4 covers it`},
		{"peers", `
    blocked_network:
      - "10.0.0.0/8"
      - "10.1.2.3:80"
      - "11.0.0.0/8:443/tcp"
      - "10.0.0.0/7:400-500,443/tcp"
      - "10.0.0.0/8"
      - "[::/0]:80"
      - "[fd00::1]:80,81"
      - "@loopback:80"
      - "::1"`, `6 no_effect 5 "10.1.2.3:80" changes nothing: "10.0.0.0/8" at p.yaml:5 covers it
7 no_effect 8 "11.0.0.0/8:443/tcp" changes nothing: "10.0.0.0/7:400-500,443/tcp" at p.yaml:8 covers it
9 no_effect 5 "10.0.0.0/8" changes nothing: "10.0.0.0/8" at p.yaml:5 covers it`},
		{
			"peers by class and name", `
    blocked_network: ["192.168.0.0/16", "@private", "**.a.example", "*.a.example:443", b.a.example, a.example, "**.b.a.example", "unix:/run/**", "unix:/run/*.sock", "unix:@x"]`,
			`4 no_effect 4 "192.168.0.0/16" changes nothing: "@private" at p.yaml:4 covers it
4 no_effect 4 "*.a.example:443" changes nothing: "**.a.example" at p.yaml:4 covers it
4 no_effect 4 "b.a.example" changes nothing: "**.a.example" at p.yaml:4 covers it
4 no_effect 4 "**.b.a.example" changes nothing: "**.a.example" at p.yaml:4 covers it
4 no_effect 4 "unix:/run/*.sock" changes nothing: "unix:/run/**" at p.yaml:4 covers it`,
		},
		{"listen", `
    allowed_listen: [80/tcp, "80,443", "127.0.0.1:443/tcp", "[::1]:8053"]`, `4 no_effect 4 "80/tcp" changes nothing: "80,443" at p.yaml:4 covers it
4 no_effect 4 "127.0.0.1:443/tcp" changes nothing: "80,443" at p.yaml:4 covers it`},
		{"firewall", `
    mode: audit
firewall:
  egress:
    default: deny
    rules: [{allow: [10.0.0.1, 192.0.2.0/24, 192.0.2.1], block: [10.0.0.0/8]}]`, `8 contradiction 8 "10.0.0.1" allows nothing: "10.0.0.0/8" at p.yaml:8 blocks it
8 no_effect 8 "192.0.2.1" changes nothing: "192.0.2.0/24" at p.yaml:8 covers it`},
		{"capabilities", `
    blocked_capabilities: [CAP_BPF, ALL, ALL]`, `4 no_effect 4 "CAP_BPF" changes nothing: "ALL" at p.yaml:4 covers it
4 no_effect 4 "ALL" changes nothing: "ALL" at p.yaml:4 covers it`},
		{"subjects", `
    protect: {signals: [app, app]}`, `4 no_effect 4 "app" changes nothing: "app" at p.yaml:4 covers it`},
		{"aliases", `
    allowed_syscalls: &calls [ptrace, PTRACE]
    blocked_syscalls: *calls
  other:
    blocked_syscalls: *calls`, `4 contradiction 4 "ptrace" allows nothing: "ptrace" at p.yaml:4 blocks it
4 no_effect 4 "ptrace" changes nothing: "ptrace" at p.yaml:4 covers it
4 contradiction 4 "ptrace" allows nothing: "ptrace" at p.yaml:4 blocks it`},
		{"no limit", `
    on_limit: kill`, `2 no_effect 0 on_limit changes nothing: "app" has no limit`},
		{"empty match", `
    match: {name: app, user: []}`, `4 no_effect 0 "app" claims no task: the list user is empty`},
		{"no such executable", `
    match: {exe: [/usr/sbin/nginx, "/opt/*/bin/nginx"], name: [httpd, app]}`, `4 no_effect 0 "app" claims no task: no executable has one of its paths and one of its names`},
		{"some executable", `
    match: {exe: [/usr/sbin/nginx, "/opt/**"], name: httpd}`, ``},
		{"claimed before", `
    mode: audit
  web: {match: {name: app}}
  a: {match: {exe: "/a", user: x}}
  b: {match: {user: x, exe: ["/a"]}}
  c: {match: {exe: "/a"}}
  d: {match: {name: [app, web]}}
  e: {match: {name: [web, app]}}`, `5 no_effect 2 "web" claims no task: "app" at p.yaml:2 claims them first
7 no_effect 6 "b" claims no task: "a" at p.yaml:6 claims them first
10 no_effect 9 "e" claims no task: "d" at p.yaml:9 claims them first`},
		{"host", `
    mode: audit
host:
  exec: [{path: /a, parents: []}, {path: /a, parents: [/b]}]
  files: [{path: /f, readers: []}, {path: /f, writers: []}, {path: /f, readers: [], writers: []}]
  devices: [{path: /d, allow_exe: []}]
  kernel_modules: {allow: [nf_tables, x], block: [nf-tables]}
  prctl: {block: [PR_SET_MM, PR_SET_MM, PR_GET_NAME]}`, `6 no_effect 6 "/a" changes nothing: "/a" at p.yaml:6 covers it
7 no_effect 7 "/f" changes nothing: "/f" at p.yaml:7 covers it
8 not_acted_on 0 devices is recorded only: this version sees no ioctl
9 contradiction 9 "nf_tables" allows nothing: "nf_tables" at p.yaml:9 blocks it
10 no_effect 10 "PR_SET_MM" changes nothing: "PR_SET_MM" at p.yaml:10 covers it
10 not_acted_on 0 PR_GET_NAME is recorded only: this version sees no call with it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustParse(t, "processes:\n  app:\n    allowed_network: []"+tt.text+"\ndefault: {}\n")
			var got []string
			for _, w := range p.Warnings() {
				got = append(got, fmt.Sprintf("%d %s %d %s", w.Line, w.Kind, w.Other.Line, w.Message))
			}
			got = slices.DeleteFunc(got, func(s string) bool {
				return strings.Contains(s, string(WarningChanged)) || strings.Contains(s, "host name") || strings.Contains(s, "filters no packets")
			})
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestChangedOnlyThere: entries with keys that those guards did not have were not written for them.
func TestChangedOnlyThere(t *testing.T) {
	for text, want := range map[string]bool{
		"processes: {a: {description: x, allowed_exec: [], max_memory_mb: 1}}": true,
		"processes: {a: {allowed_exec: [], no_sudo: true}}":                    false,
		"processes: {a: {match: {name: a}}}":                                   false,
		"processes: {a: {allowed_exec: [], mode: alert}}":                      false,
	} {
		got := slices.ContainsFunc(mustParse(t, text).Warnings(), func(w Warning) bool { return w.Kind == WarningChanged })
		if got != want {
			t.Errorf("%s: warned of a change: %t", text, got)
		}
	}
}

// TestUncovered: one warning for a policy whose restrictions go by the name of a file, unless default answers it.
func TestUncovered(t *testing.T) {
	for text, want := range map[string]int{
		"processes: {a: {}, b: {match: {unit: b.service}, no_sudo: true}, c: {allowed_exec: []}, d: {allowed_exec: []}}": 1,
		"processes: {a: {match: {exe: /a}, no_sudo: true}}":                                                              1,
		"processes: {a: {allowed_exec: []}}\ndefault: {}":                                                                0,
		"processes: {a: {match: {user: x}, allowed_exec: []}}":                                                           0,
		"processes: {a: {mode: audit, inherit: true, description: x}}":                                                   0,
	} {
		got := 0
		for _, w := range mustParse(t, text).Warnings() {
			if w.Kind == WarningUncovered {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d warnings", text, got)
		}
	}
}

// TestManyRules: warnings cost no more than a policy of that size may, and there are not more than people can use.
func TestManyRules(t *testing.T) {
	for name, line := range map[string]string{
		"literals": "      - /srv/data/%d/file\n", "trees": "      - /srv/%d/**\n", "ends": "      - '**/%d/x?y'\n", "the same": "      - '/srv/x%.0s'\n",
	} {
		t.Run(name, func(t *testing.T) {
			rules := numbered(10_000, line)
			start := time.Now()
			p := mustParse(t, "processes:\n  app:\n    allowed_files:\n"+rules+"    blocked_files:\n"+rules+"default: {}\n")
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if n := len(p.Warnings()); n > maxProblems+1 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}
