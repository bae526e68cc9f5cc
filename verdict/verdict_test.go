package verdict_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

func image(t testing.TB, text string) *compile.Image {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// answer is a Decision in words.
type answer struct {
	Denied   bool
	Rule     string
	Type     compile.Type
	Severity event.Severity
	Detail   string
}

func ask(t testing.TB, img *compile.Image, actor, access, object string) answer {
	t.Helper()
	task, a := parseTask(t, img, actor), parseAccess(t, img, access, object)
	d := verdict.Decide(img, task, &a)
	return answer{d.Denied, d.Position(img), d.Type(img), d.Severity(img), verdict.Detail(img, task, &a, d)}
}

const precedence = `processes:
  p:
    blocked_files:
      - "/etc/**"
      - "/etc/ssh/*_key"
      - "/etc/ssh/*"
      - "/data/x w"
    allowed_files:
      - "/data/** r"
      - "/data/*/log w"
      - "/data/a/** rw"
      - "/etc/hosts"
      - "/lib/** rx"
    allowed_exec: ["/bin/true", "git"]
    blocked_network:
      - "10.0.0.0/8"
      - "10.1.0.0/16"
      - "10.1.0.0/16:1-100"
      - "10.1.0.0/16:22/tcp"
      - "10.1.0.0/16:22"
      - "unix:/run/docker.sock"
    allowed_network:
      - "0.0.0.0/0:443/tcp"
      - "[2001:db8::/32]:53,8000-8100"
      - "0.0.0.0:80"
      - "*.example.com:8443"
    allowed_listen: ["80", "127.0.0.1:443/tcp"]
`

func TestDecide(t *testing.T) {
	tests := []struct {
		access, object string
		denied         bool
		rule           string
		detail         string
	}{
		{"r", "/etc/passwd", true, "p.yaml:4", "blocked file access: /etc/passwd (pattern: /etc/**)"},
		{"r", "/etc/hosts", true, "p.yaml:4", "blocked file access: /etc/hosts (pattern: /etc/**)"},
		{"r", "/etc/ssh/a_key", true, "p.yaml:5", "blocked file access: /etc/ssh/a_key (pattern: /etc/ssh/*_key)"},
		{"r", "/etc/ssh/moduli", true, "p.yaml:6", "blocked file access: /etc/ssh/moduli (pattern: /etc/ssh/*)"},
		{"r", "/data/../etc//passwd", true, "p.yaml:4", "blocked file access: /etc/passwd (pattern: /etc/**)"},
		{"r", "/etc/passwd (deleted)", true, "p.yaml:4", "blocked file access: /etc/passwd (pattern: /etc/**)"},
		{"rw", "/data/x", true, "p.yaml:7", "blocked file access: /data/x (pattern: /data/x w)"},
		{"r", "/data/x", false, "p.yaml:9", ""},
		{"w", "/data/b", true, "p.yaml:8", "unauthorized file access: /data/b (w)"},
		{"w", "/data/b/log", false, "p.yaml:10", ""},
		{"rw", "/data/b/log", false, "p.yaml:10", ""},
		{"rw", "/data/a/log", false, "p.yaml:11", ""},
		{"rwx", "/data/a/log", true, "p.yaml:8", "unauthorized file access: /data/a/log (x)"},
		{"r", "/datax", true, "p.yaml:8", "unauthorized file access: /datax (r)"},
		{"x", "/lib/libc.so", false, "p.yaml:13", ""},
		{"r", "relative", true, "p.yaml:8", "unauthorized file access: relative (r)"},
		{"exec", "/bin/true", false, "p.yaml:14", ""},
		{"exec", "/opt/git/bin/git", false, "p.yaml:14", ""},
		{"exec", "/bin/sh", true, "p.yaml:14", "unauthorized exec: /bin/sh"},
		{"exec", "/etc/x", true, "p.yaml:4", "blocked exec: /etc/x (pattern: /etc/**)"},
		{"connect", "10.2.0.1:443/tcp", true, "p.yaml:16", "blocked network access: 10.2.0.1:443/tcp (rule: 10.0.0.0/8)"},
		{"connect", "10.1.0.1:443/tcp", true, "p.yaml:17", "blocked network access: 10.1.0.1:443/tcp (rule: 10.1.0.0/16)"},
		{"connect", "10.1.0.1:80/tcp", true, "p.yaml:18", "blocked network access: 10.1.0.1:80/tcp (rule: 10.1.0.0/16:1-100)"},
		{"connect", "10.1.0.1:22/tcp", true, "p.yaml:19", "blocked network access: 10.1.0.1:22/tcp (rule: 10.1.0.0/16:22/tcp)"},
		{"send", "10.1.0.1:22/udp", true, "p.yaml:20", "blocked network access: 10.1.0.1:22/udp (rule: 10.1.0.0/16:22)"},
		{"connect", "[::ffff:10.1.0.1]:22/tcp", true, "p.yaml:19", "blocked network access: 10.1.0.1:22/tcp (rule: 10.1.0.0/16:22/tcp)"},
		{"connect", "[64:ff9b::a01:1]:22/tcp", true, "p.yaml:19", "blocked network access: 10.1.0.1:22/tcp (rule: 10.1.0.0/16:22/tcp)"},
		{"connect", "192.0.2.1:443/tcp", false, "p.yaml:23", ""},
		{"send", "192.0.2.1:443/udp", true, "p.yaml:22", "unauthorized network access: 192.0.2.1:443/udp"},
		{"connect", "[2001:db8::1]:8050/tcp", false, "p.yaml:24", ""},
		{"connect", "[2001:db8::1]:8101/tcp", true, "p.yaml:22", "unauthorized network access: [2001:db8::1]:8101/tcp"},
		{"connect", "192.0.2.1:8443/tcp", false, "p.yaml:26", ""},
		{"connect", "192.0.2.1:8443/tcp,www.example.com", false, "p.yaml:26", ""},
		{"connect", "192.0.2.1:8443/tcp,example.com", true, "p.yaml:22", "unauthorized network access: 192.0.2.1:8443/tcp (example.com)"},
		{"bind", "0.0.0.0:80/tcp", false, "p.yaml:27", ""},
		{"listen", "127.0.0.1:443/tcp", false, "p.yaml:27", ""},
		{"listen", "0.0.0.0:443/tcp", true, "p.yaml:27", "unauthorized listen: 0.0.0.0:443/tcp"},
		{"bind", "0.0.0.0:0/udp", false, "", ""},
		{"bind", "0.0.0.0:8443/tcp", true, "p.yaml:27", "unauthorized listen: 0.0.0.0:8443/tcp"},
		{"connect", "unix:/run/docker.sock", true, "p.yaml:21", "blocked network access: unix:/run/docker.sock (rule: unix:/run/docker.sock)"},
		{"connect", "unix:/run/other.sock", false, "", ""},
		{"bind", "packet", true, "p.yaml:22", "unauthorized network access: packet socket"},
	}
	img := image(t, precedence)
	for _, tt := range tests {
		got := ask(t, img, "/usr/bin/p", tt.access, tt.object)
		if got.Denied != tt.denied || got.Rule != tt.rule || tt.denied && got.Detail != tt.detail {
			t.Errorf("%s %s: denied %v by %q: %q\nwant %v by %q: %q", tt.access, tt.object, got.Denied, got.Rule, got.Detail, tt.denied, tt.rule, tt.detail)
		}
	}
}

// TestAbsentAndEmpty: an absent key leaves the class alone, an empty allow list allows nothing, an empty block list blocks nothing.
func TestAbsentAndEmpty(t *testing.T) {
	img := image(t, `processes:
  absent: {}
  empty: {allowed_exec: [], allowed_files: [], allowed_network: [], blocked_files: [], blocked_network: []}
  sockets: {allowed_network: ["unix:/run/a"]}
`)
	tests := []struct {
		subject, access, object string
		want                    answer
	}{
		{"absent", "exec", "/bin/sh", answer{}},
		{"absent", "rwx", "/x", answer{}},
		{"absent", "connect", "192.0.2.1:1/tcp", answer{}},
		{"absent", "bind", "packet", answer{}},
		{"unknown", "exec", "/bin/sh", answer{}},
		{"empty", "exec", "/bin/sh", answer{Denied: true, Rule: "p.yaml:3", Type: "exec", Severity: event.SeverityHigh, Detail: "unauthorized exec: /bin/sh"}},
		{"empty", "r", "/x", answer{Denied: true, Rule: "p.yaml:3", Type: "file", Severity: event.SeverityMedium, Detail: "unauthorized file access: /x (r)"}},
		{"empty", "connect", "192.0.2.1:1/tcp", answer{Denied: true, Rule: "p.yaml:3", Type: "network", Severity: event.SeverityCritical, Detail: "network access denied (no network allowed): 192.0.2.1:1/tcp"}},
		{"empty", "connect", "unix:/run/a", answer{}},
		{"sockets", "connect", "unix:/run/a", answer{Rule: "p.yaml:4", Type: "network", Detail: "allowed network access: unix:/run/a (rule: unix:/run/a)"}},
		{"sockets", "connect", "unix:/run/b", answer{Denied: true, Rule: "p.yaml:4", Type: "network", Severity: event.SeverityCritical, Detail: "unauthorized network access: unix:/run/b"}},
	}
	for _, tt := range tests {
		got := ask(t, img, "/x/"+tt.subject, tt.access, tt.object)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s %s: -want +got:\n%s", tt.subject, tt.access, tt.object, diff)
		}
	}
}
