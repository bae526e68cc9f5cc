package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/internal/trial"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// accessHelp is the syntax of accesses, which verdict.ParseAccess reads.
const accessHelp = `    exec /bin/ls                       script /srv/run.sh,/bin/sh     setuid /usr/bin/sudo
    r /etc/hosts                       rw /var/lib/app/db             x /usr/lib/libc.so.6
    connect 192.0.2.1:443/tcp          connect 192.0.2.1:443/tcp,api.example.com     (a name known for the address)
    send 192.0.2.1:53/udp              connect unix:/run/a.sock       connect packet
    bind 0.0.0.0:80/tcp                listen [::]:80/tcp             resolve www.example.com
    syscall ptrace                     syscall socketcall/i386        capability CAP_SYS_ADMIN
    signal nginx                       ptrace /usr/sbin/sshd          module nf_tables
    mount /dev/sdb1                    ioctl /dev/video0              prctl PR_SET_DUMPABLE
    bpf                                settime                        keyring     io_uring
    memory 512 (MiB)                   cpu 80 (percent)               processes 64
    ingress eth0,192.0.2.7,22/tcp      ingress eth0,192.0.2.7,icmp/8  egress 192.0.2.1:443/tcp`

type explainFlags struct {
	subject, exe, user, unit, cgroup, container, sha256 string
	uid                                                 int64
	parents                                             []string
	runners                                             int
	format                                              *show.Format
}

func newPolicyExplain() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain FILE ACCESS",
		Short: "Say what a policy decides about one access, why, and what would turn it",
		Long: "Decides one access of a task, and names the rule that decides, the rules that would decide if that one were not\n" +
			"there, in their order, and the smallest change of the policy that would turn the answer, which was tried. The exit\n" +
			"code is 3 if the access would be denied, and 0 if it is allowed, or undecided as long as nobody knows the name of an\n" +
			"address. The task is an entry's (--subject), or described by --exe and what else is known of it. ACCESS is one of:\n\n" + accessHelp,
		Example: "  stockade policy explain policy.yaml --exe /usr/sbin/nginx --user www-data r /etc/shadow\n" +
			"  stockade policy explain policy.yaml --subject nginx connect 10.0.0.1:443/tcp",
		Args: atLeast("FILE"),
	}
	flags := c.Flags()
	flags.StringVar(&f.subject, "subject", "", "the task is one that the entry `NAME` claims, or default")
	flags.StringVar(&f.exe, "exe", "", "the task runs the executable at `PATH`")
	flags.StringVar(&f.user, "user", "", "the task's user `NAME`")
	flags.Int64Var(&f.uid, "uid", -1, "the task's user `ID`")
	flags.StringVar(&f.unit, "unit", "", "the task's systemd `UNIT`")
	flags.StringVar(&f.cgroup, "cgroup", "", "the `PATH` of the task's cgroup")
	flags.StringVar(&f.container, "container", "", "the `NAME`, id or image of the task's container")
	flags.StringVar(&f.sha256, "sha256", "", "the `DIGEST` of the task's executable")
	flags.StringArrayVar(&f.parents, "parent", nil, "an ancestor's executable at `PATH`, from the parent up")
	flags.IntVar(&f.runners, "runners-up", 5, "name at most `N` rules that stand behind the one that decides")
	f.format = outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) < 2 {
			return badUsage(c, errors.New("ACCESS is missing"))
		}
		q, err := f.question(strings.Join(args[1:], " "))
		if err != nil {
			return badUsage(c, err)
		}
		return explainPolicy(c, args[0], q, f)
	}
	return c
}

func (f *explainFlags) question(access string) (trial.Question, error) {
	q := trial.Question{Subject: f.subject, Access: access}
	if (f.exe == "") == (f.subject == "") {
		return q, errors.New("say who acts, by --exe or by --subject")
	}
	if f.uid < -1 || f.uid > 1<<32-1 {
		return q, fmt.Errorf("--uid %d is no user id", f.uid)
	}
	q.Facts = verdict.Facts{Exe: f.exe, User: f.user, Unit: f.unit, Cgroup: f.cgroup, SHA256: strings.ToLower(f.sha256)}
	q.Facts.UID = uint32(max(f.uid, 0))
	if f.uid < 0 && f.user != "root" {
		q.Facts.UID = 1<<32 - 1 // nobody's
	}
	if f.container != "" {
		q.Facts.Container = &event.Container{Name: f.container}
	}
	for _, exe := range f.parents {
		q.Ancestors = append(q.Ancestors, event.Ref{Exe: exe})
	}
	return q, nil
}

func explainPolicy(c *cobra.Command, path string, q trial.Question, f explainFlags) error {
	p, err := policy.Load(path)
	if err != nil {
		return countProblems(path, err)
	}
	e, err := trial.Explain(p, q, f.runners)
	if err != nil {
		return &hinted{err, "see `" + helpCall(c) + "`"}
	}
	if *f.format == show.JSON {
		err = show.Document(c.OutOrStdout(), e)
	} else {
		err = writeExplanation(c.OutOrStdout(), e)
	}
	if err == nil && e.Action == trial.Deny {
		return &codeError{code: exitWouldDeny}
	}
	return err
}

func writeExplanation(w io.Writer, e *trial.Explanation) error {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintln(&out, show.Escape(fmt.Sprintf(format, args...))) }
	verb := map[string]string{trial.Allow: "allowed", trial.Deny: "denied", trial.Undecided: "undecided"}
	line("%s: %s, for %s in %s mode", verb[e.Action], e.Access, e.Subject, e.Mode)
	if e.Position == "" {
		line("  nothing in the policy speaks of it")
	} else {
		line("  by %s: %s", e.Position, ruleText(e.Answer))
		line("  %s%s", e.Detail, severity(e.Answer))
	}
	for i, a := range e.RunnersUp {
		if i == 0 {
			line("without that, in this order:")
		}
		line("  %s by %s: %s", verb[a.Action], a.Position, ruleText(a))
	}
	if e.Flipped == nil {
		line("no small change of the policy was found that would turn it")
	} else {
		line("to have it %s:", verb[cmp.Or(e.Flipped.Action, trial.Allow)])
		for _, change := range e.Flip {
			// With its backslashes as they are: it is to be copied.
			fmt.Fprintf(&out, "  %s\n", show.Message(change.String()))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func ruleText(a trial.Answer) string {
	if a.Unlisted {
		return "nothing in " + a.Rule + " allows it"
	}
	return a.Rule
}

func severity(a trial.Answer) string {
	if a.Severity == "" {
		return ""
	}
	return ", " + string(a.Severity)
}
