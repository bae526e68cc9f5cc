package compile_test

import (
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy/compile"
)

func TestPaths(t *testing.T) {
	img := compiled(t, parse(t, `processes:
  p:
    blocked_exec: ["/opt/*"]
    blocked_files: ["/etc/**", "/etc/ssh/*_key", "/etc/ssh/*", "/data/x w", "/opt/x x", "/tmp/{a,bb}*", "/tmp/{aa,bb}*"]
    allowed_files: ["/data/** r", "/data/*/log w", "/etc/hosts"]
    allowed_exec: ["/bin/true", "git"]
    allowed_network: ["unix:/run/*.sock", "unix:@x"]
    blocked_network: ["unix:/run/docker.sock", "10.0.0.0/8"]
  open:
    allowed_network: ["10.0.0.0/8"]
    blocked_network: ["unix:/run/x"]
    blocked_files: ["/a w"]
  closed: {allowed_exec: [], allowed_files: []}
`))
	long := "/" + strings.Repeat("x", compile.MaxPath)
	for _, tt := range []struct {
		subject string
		class   compile.Class
		path    string
		want    string
	}{
		{"p", compile.ClassRead, "/etc/passwd", "HIGH by /etc/**"},
		{"p", compile.ClassRead, "/etc/hosts", "HIGH by /etc/**"},
		{"p", compile.ClassRead, "/etc/ssh/a_key", "HIGH by /etc/ssh/*_key"},
		{"p", compile.ClassRead, "/etc/ssh/moduli", "HIGH by /etc/ssh/*"},
		{"p", compile.ClassRead, "/data/x", "allowed by /data/** r"},
		{"p", compile.ClassRead, "/tmp/bb", "HIGH by /tmp/{aa,bb}*"}, // at least two literal bytes behind the same prefix
		{"p", compile.ClassWrite, "/data/x", "HIGH by /data/x w"},
		{"p", compile.ClassWrite, "/data/a/log", "allowed by /data/*/log w"},
		{"p", compile.ClassWrite, "/data/a", "MEDIUM not in allowed_files"},
		{"p", compile.ClassMap, "/data/a/log", "MEDIUM not in allowed_files"},
		{"p", compile.ClassMap, long, "MEDIUM not in allowed_files"},
		{"p", compile.ClassExec, "/opt/x", "HIGH by /opt/x x"},
		{"p", compile.ClassExec, "/opt/git", "HIGH by /opt/*"},
		{"p", compile.ClassExec, "/data/x", "HIGH not in allowed_exec"},
		{"p", compile.ClassExec, "/x/git", "allowed by git"},
		{"p", compile.ClassUnix, "/run/a.sock", "allowed by unix:/run/*.sock"},
		{"p", compile.ClassUnix, "/run/docker.sock", "CRITICAL by unix:/run/docker.sock"},
		{"p", compile.ClassUnix, "@x", "allowed by unix:@x"},
		{"p", compile.ClassUnix, "/x", "CRITICAL not in allowed_network"},
		{"open", compile.ClassUnix, "/run/x", "CRITICAL by unix:/run/x"},
		{"open", compile.ClassUnix, "/run/y", ""},
		{"open", compile.ClassUnix, long, "CRITICAL not in blocked_network"},
		{"open", compile.ClassWrite, long, "MEDIUM not in blocked_files"},
		{"open", compile.ClassWrite, "/b", ""},
		{"open", compile.ClassRead, long, ""},
		{"open", compile.ClassExec, long, ""},
		{"closed", compile.ClassExec, "/bin/sh", "HIGH not in allowed_exec"},
		{"closed", compile.ClassExec, long, "HIGH not in allowed_exec"},
		{"closed", compile.ClassRead, "/x", "MEDIUM not in allowed_files"},
		{"closed", compile.ClassUnix, "/x", ""},
		{"default", compile.ClassRead, "/etc/passwd", ""},
	} {
		table := subject(t, img, tt.subject).Paths[tt.class]
		if got := said(img, look(img, table, tt.path)); got != tt.want {
			t.Errorf("%s %d %.40s: %s, not %s", tt.subject, tt.class, tt.path, got, tt.want)
		}
	}
}

// TestLettersCompare: what is decided about two letters of one access has one order.
func TestLettersCompare(t *testing.T) {
	img := compiled(t, parse(t, `processes: {p: {blocked_files: ["/a/** w"], allowed_files: ["/a/b r"]}}`))
	s := subject(t, img, "p")
	read, write := look(img, s.Paths[compile.ClassRead], "/a/b"), look(img, s.Paths[compile.ClassWrite], "/a/b")
	if write >= read || read >= s.Paths[compile.ClassRead].Miss {
		t.Errorf("write %d, read %d", write, read)
	}
}
