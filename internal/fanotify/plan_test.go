package fanotify

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func image(tb testing.TB, text string) *compile.Image {
	tb.Helper()
	img, err := parseImage(text)
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

func parseImage(text string) (*compile.Image, error) {
	p, err := policy.Parse("p.yaml", []byte("version: \"1.0\"\n"+text))
	if err != nil {
		return nil, err
	}
	return compile.Compile(p)
}

func TestPlan(t *testing.T) {
	const rules = `
    blocked_exec: [/usr/bin/nc, "/opt/tools/*", curl, "/opt/**", "/usr/bin/{a,b}"]
    blocked_files: [/etc/shadow, /srv/key r, /srv/log w, "/srv/box/* r", /proc/kcore, /srv/my rw, "/*"]
    allowed_exec: ["/usr/**"]
`
	both := []object{
		{path: "/etc/shadow", exec: true, read: true},
		{path: "/opt/tools", children: true, exec: true},
		{path: "/srv/box", children: true, read: true},
		{path: "/srv/key", read: true},
		{path: "/srv/my", read: true},
		{path: "/usr/bin/nc", exec: true},
	}
	for name, c := range map[string]struct {
		text string
		mode policy.Mode
		want []object
	}{
		"enforcing file":        {text: "mode: enforce\nprocesses:\n  app:" + rules, want: both},
		"enforcing entry":       {text: "processes:\n  app:\n    mode: enforce" + rules, want: both},
		"audit":                 {text: "processes:\n  app:" + rules},
		"audit from outside":    {text: "mode: enforce\nprocesses:\n  app:" + rules, mode: policy.ModeAudit},
		"enforced from outside": {text: "processes:\n  app:" + rules, mode: policy.ModeEnforce, want: both},
		"another enforces": {
			text: "processes:\n  app:" + rules + "  other:\n    mode: enforce\n    blocked_exec: [/usr/bin/nc, /bin/x]\n",
			want: []object{{path: "/bin/x", exec: true}, {path: "/usr/bin/nc", exec: true}},
		},
		"the host's": {
			text: "mode: enforce\nhost:\n  exec: [{path: /usr/bin/nsenter, parents: [/usr/sbin/sshd]}]\n" +
				"  files: [{path: /etc/shadow, readers: [/usr/bin/passwd]}, {path: /etc/hosts, writers: [/usr/bin/vi]}]\n",
			want: []object{{path: "/etc/shadow", read: true}, {path: "/usr/bin/nsenter", exec: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, plan(image(t, c.text), c.mode), cmp.AllowUnexported(object{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
