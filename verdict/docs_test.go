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

// What a line of the examples may say; the accesses of whole policies are not judged yet.
//
// A line of a "decisions" block is
//
//	ACTOR ACCESS OBJECT allowed|denied|undecided [line N]
//
// with blanks between. ACTOR is an entry's name, or default, or an executable: a path, or a base name that no entry has. Behind
// an executable may stand what else is known of the task, and what its ancestors run, from the parent up:
//
//	/usr/bin/python3.11,unit=web.service,user=www-data<-/bin/sh<-/usr/sbin/nginx
//	/opt/x,uid=33,cgroup=/a/b,container=web-1,sha256=ab12...
//
// ACCESS and OBJECT are
//
//	exec /bin/ls                          script /srv/run.sh,/bin/sh          setuid /usr/bin/sudo
//	r, w, x, rw ... /etc/hosts
//	connect, send 192.0.2.1:443/tcp       connect 192.0.2.1:443/tcp,api.example.com    (a name known for the address)
//	connect, send unix:/run/a.sock        connect, bind packet
//	bind, listen 0.0.0.0:80/tcp           resolve www.example.com
//	syscall ptrace                        syscall socketcall/i386
//	capability CAP_SYS_ADMIN              signal, ptrace ACTOR
//	module nf_tables                      mount /dev/sdb1
//	ioctl /dev/video0                     prctl PR_SET_DUMPABLE
//	bpf -    settime -    keyring -    io_uring -
//	memory 512 (MiB)    cpu 80 (percent)    processes 64
//	ingress eth0,192.0.2.7,22/tcp         ingress eth0,192.0.2.7,icmp/8       (or icmpv6/128)
//	egress 192.0.2.1:443/tcp              egress 192.0.2.1:443/tcp,api.example.com

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
