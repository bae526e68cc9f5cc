package verdict_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// textImage has a subject by name and one that asks for all that a task can be asked.
func textImage(t testing.TB) *compile.Image {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(`
processes:
  web: {allowed_exec: []}
  box:
    match: {exe: ["/opt/**"], unit: a.service, cgroup: /a/b, user: ada, container: web-1}
    allowed_exec: []
  old: {match: {exe: ["/opt/**"], user: "33"}, allowed_exec: []}
  root: {match: {exe: ["/root/**"], user: "0"}, allowed_exec: []}
  digest: {match: {sha256: ["`+strings.Repeat("ab", 32)+`"]}, allowed_exec: []}
  parent: {match: {exe: ["/usr/sbin/nginx"]}, inherit: true, allowed_exec: []}
`))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestParseTask(t *testing.T) {
	img := textImage(t)
	for text, want := range map[string]string{
		"web":               "web",
		"default":           "default",
		"/bin/ls":           "default",
		"ls":                "default",
		"/srv/web":          "web",
		"/opt/x":            "default",
		"/root/x":           "default",
		"/root/x,uid=0":     "root",
		"/root/x,user=root": "root",
		"/opt/x,uid=33":     "old",
		"/opt/x,unit=a.service,cgroup=/a/b,user=ada,container=web-1": "box",
		"/opt/x,unit=b.service,cgroup=/a/b,user=ada,container=web-1": "default",
		"/x,sha256=" + strings.Repeat("AB", 32):                      "digest",
		"/bin/ls<-/bin/sh<-/usr/sbin/nginx":                          "parent",
		"/bin/ls<-":                                                  "default",
	} {
		task, err := verdict.ParseTask(img, text)
		if err != nil || img.Subjects[task.Subject].Name != want {
			t.Errorf("%s is of %q, error %v; want %s", text, img.Subjects[task.Subject].Name, err, want)
		}
	}
	for text, want := range map[string]string{
		"":               `parse task "": no executable and no entry`,
		"/x,unit":        `parse task "/x,unit": "unit" is no KEY=VALUE`,
		"/x,uid=ada":     `parse task "/x,uid=ada": "ada" is no whole number up to 4294967295`,
		"/x,shoe=42\x1b": `parse task "/x,shoe=42\x1b": "shoe" is none of unit, cgroup, user, uid, container, sha256`,
	} {
		if _, err := verdict.ParseTask(img, text); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

func TestParseAccess(t *testing.T) {
	img := textImage(t)
	peer := netip.MustParseAddrPort("192.0.2.1:443")
	from := netip.MustParseAddr("192.0.2.7")
	for text, want := range map[string]verdict.Access{
		"exec /bin/ls":                      {Op: verdict.OpExec, Path: "/bin/ls"},
		"script /srv/run.sh,/bin/sh":        {Op: verdict.OpExec, Path: "/srv/run.sh", Interpreter: "/bin/sh"},
		"setuid /usr/bin/sudo":              {Op: verdict.OpExec, Path: "/usr/bin/sudo", GainsPrivilege: true},
		"  rw   /srv/a b ":                  {Op: verdict.OpFile, Path: "/srv/a b", Letters: policy.AccessRead | policy.AccessWrite},
		"x /lib/a.so":                       {Op: verdict.OpFile, Path: "/lib/a.so", Letters: policy.AccessExecute},
		"connect 192.0.2.1:443/tcp":         {Op: verdict.OpConnect, Peer: peer, Protocol: "tcp", Names: []string{}},
		"send 192.0.2.1:443/udp,a.b,c":      {Op: verdict.OpSend, Peer: peer, Protocol: "udp", Names: []string{"a.b", "c"}},
		"egress 192.0.2.1:443/tcp":          {Op: verdict.OpEgress, Peer: peer, Protocol: "tcp", Names: []string{}},
		"bind 192.0.2.1:443/tcp":            {Op: verdict.OpBind, Peer: peer, Protocol: "tcp", Names: []string{}},
		"listen 192.0.2.1:443/tcp":          {Op: verdict.OpListen, Peer: peer, Protocol: "tcp", Names: []string{}},
		"connect unix:/run/a.sock":          {Op: verdict.OpConnect, Path: "/run/a.sock"},
		"connect packet":                    {Op: verdict.OpConnect},
		"resolve a.example.com":             {Op: verdict.OpResolve, Name: "a.example.com"},
		"syscall ptrace":                    {Op: verdict.OpSyscall, Number: 101},
		"syscall socketcall/i386":           {Op: verdict.OpSyscall, Number: 102, I386: true},
		"capability cap_sys_admin":          {Op: verdict.OpCapability, Number: 21},
		"prctl PR_SET_DUMPABLE":             {Op: verdict.OpPrctl, Number: 4},
		"signal web":                        {Op: verdict.OpSignal, Target: 1},
		"ptrace /srv/web":                   {Op: verdict.OpPtrace, Target: 1},
		"module nf_tables":                  {Op: verdict.OpModule, Name: "nf_tables"},
		"mount /dev/sdb1":                   {Op: verdict.OpMount, Path: "/dev/sdb1"},
		"ioctl /dev/video0":                 {Op: verdict.OpIoctl, Path: "/dev/video0"},
		"bpf":                               {Op: verdict.OpBPF},
		"settime -":                         {Op: verdict.OpSettime},
		"keyring":                           {Op: verdict.OpKeyring},
		"io_uring":                          {Op: verdict.OpIOUring},
		"memory 512":                        {Op: verdict.OpMemory, Value: 512 << 20},
		"cpu 80":                            {Op: verdict.OpCPU, Value: 80},
		"processes 64":                      {Op: verdict.OpProcesses, Value: 64},
		"ingress eth0,192.0.2.7,22/tcp":     {Op: verdict.OpIngress, Interface: "eth0", Peer: netip.AddrPortFrom(from, 22), Protocol: "tcp"},
		"ingress eth0,192.0.2.7,icmp/8":     {Op: verdict.OpIngress, Interface: "eth0", Peer: netip.AddrPortFrom(from, 0), Protocol: "icmp", Number: 8},
		"ingress eth0,192.0.2.7,icmpv6/128": {Op: verdict.OpIngress, Interface: "eth0", Peer: netip.AddrPortFrom(from, 0), Protocol: "icmpv6", Number: 384},
	} {
		got, err := verdict.ParseAccess(img, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s: -want +got:\n%s", text, diff)
		}
	}
	for _, text := range []string{
		"", " ", "r", "exec", "q /etc/hosts", "bpf now", "connect", "connect example.com:443/tcp", "connect 10.0.0.1:443", "connect 10.0.0.1:443/",
		"connect 10.0.0.1/tcp", "syscall pread65", "syscall read/arm", "capability CAP_X", "prctl PR_X", "signal /x,y", "memory much", "cpu -1",
		"ingress eth0,192.0.2.7", "ingress eth0,x,22/tcp", "ingress eth0,192.0.2.7,22", "ingress eth0,192.0.2.7,x/tcp", "ingress eth0,192.0.2.7,icmp/256",
	} {
		if a, err := verdict.ParseAccess(img, text); err == nil || !strings.HasPrefix(err.Error(), "parse access ") {
			t.Errorf("%q: %+v, error %v", text, a, err)
		}
	}
}

// FuzzParseAccess parses and decides any text: it may be refused, and must not be more than that.
func FuzzParseAccess(f *testing.F) {
	img := textImage(f)
	for _, seed := range []string{"r /etc/hosts", "connect [::1]:443/tcp,a.b", "ingress eth0,::1,icmpv6/128", "signal /opt/x,uid=33<-/bin/sh", "syscall socketcall/i386"} {
		f.Add("web", seed)
	}
	f.Fuzz(func(t *testing.T, who, what string) {
		task, err := verdict.ParseTask(img, who)
		if err != nil {
			return
		}
		a, err := verdict.ParseAccess(img, what)
		if err != nil {
			return
		}
		if d := verdict.Decide(img, task, &a); int(d.ID) >= len(img.Decisions) {
			t.Errorf("decision %d of %d", d.ID, len(img.Decisions))
		}
	})
}
