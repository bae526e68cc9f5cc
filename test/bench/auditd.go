//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// benchUser is the login uid of workers that auditd is to watch. No account has it, so that the rule below keeps
// everything else on the host out of the audit log and away from its cost.
const benchUser = "2147483646"

// only keeps every task but the watched workers free of an audit context. It stays behind when all is over: once audit has
// been on, the kernel gives a context, and so slower system calls, to every new task until the next boot, unless a rule says no.
const only = "-a never,task -F auid!=" + benchUser

// auditRules are for the events that the guard reports by default; what it does not report is not asked for.
const auditRules = only + `
-a always,exit -F arch=b64 -S execve,execveat
-a always,exit -F arch=b64 -S open,openat,openat2,creat
-a always,exit -F arch=b64 -S unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat
-a always,exit -F arch=b64 -S chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate
-a always,exit -F arch=b64 -S setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr
-a always,exit -F arch=b64 -S connect,bind,accept,accept4,listen,sendto
`

// auditConfig is Debian's, with the log elsewhere and no disk limits that would mail somebody.
const auditConfig = `local_events = yes
write_logs = yes
log_file = %[1]s/audit.log
log_group = root
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 8
num_logs = 5
priority_boost = 4
name_format = NONE
max_log_file_action = ROTATE
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
use_libwrap = no
plugin_dir = %[1]s/plugins
`

// auditd is Debian's audit daemon with its own configuration, on a host where nobody else uses audit.
type auditd struct {
	*daemon
	dir    string
	before map[string]string // what `auditctl -s` said
}

// newAuditd says why auditd cannot be measured here, if so. It changes nothing.
func newAuditd(dir string) (*auditd, error) {
	for _, program := range []string{"auditd", "auditctl"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, errors.New(program + " is not installed")
		}
	}
	status, err := auditctl("-s")
	if err != nil {
		return nil, err
	}
	a := &auditd{dir: filepath.Join(dir, "audit"), before: map[string]string{}}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		a.before[name] = value
	}
	rules, err := auditctl("-l")
	if err != nil {
		return nil, err
	}
	rules = strings.TrimSpace(rules)
	if a.before["enabled"] != "0" || a.before["pid"] != "0" || rules != "No rules" && rules != only {
		return nil, errors.New("this host uses audit for something else, which is left alone")
	}
	return a, nil
}

// wrapper sets the login uid and then forks, because the rule for tasks is asked when one is born.
func (*auditd) wrapper() []string {
	return []string{"/bin/sh", "-c", "echo " + benchUser + ` >/proc/self/loginuid && { "$@"; exit $?; }`, "sh"}
}

func (a *auditd) start() error {
	if err := a.configure(); err != nil {
		return err
	}
	var err error
	if a.daemon, err = startDaemon("auditd", "-n", "-s", "nochange", "-c", a.dir); err != nil {
		return err
	}
	err = a.await(func() (bool, error) {
		status, err := auditctl("-s")
		return !strings.Contains(status, "\npid 0\n"), err
	})
	a.calm() // until then it would not hear of being told to end
	// The limit and the wait are those of Debian's own rules.
	steps := [][]string{{"-D"}, {"-b", "8192"}, {"--backlog_wait_time", "60000"}, {"-R", filepath.Join(a.dir, "bench.rules")}, {"-e", "1"}}
	for _, step := range steps {
		if err == nil {
			_, err = auditctl(step...)
		}
	}
	if err != nil {
		return errors.Join(err, a.stop())
	}
	return nil
}

func (a *auditd) configure() error {
	if err := os.MkdirAll(filepath.Join(a.dir, "plugins"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "bench.rules"), []byte(auditRules), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.dir, "auditd.conf"), fmt.Appendf(nil, auditConfig, a.dir), 0o600)
}

// stop does every step even if one fails: what is left on would cost the host from then on.
func (a *auditd) stop() error {
	var errs []error
	for _, step := range [][]string{
		{"-e", "0"},
		{"-D"},
		strings.Fields(only),
		{"-b", a.before["backlog_limit"]},
		{"--backlog_wait_time", a.before["backlog_wait_time"]},
	} {
		_, err := auditctl(step...)
		errs = append(errs, err)
	}
	errs = append(errs, a.end(), os.RemoveAll(a.dir))
	return errors.Join(errs...)
}

func auditctl(args ...string) (string, error) {
	out, err := exec.Command("auditctl", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("auditctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
