package enforce

import (
	"github.com/stockade-security/stockade/policy"
)

// Judge says what the kernel can do about each rule, in the order of the policy's entries and keys. Keys that no access
// can break, such as description or sinks, are left out.
func Judge(p *policy.Policy, k Kernel) []Rule {
	j := &judge{kernel: k}
	for i := range p.Processes {
		j.process(p.Processes[i].Name, &p.Processes[i])
	}
	if p.Default != nil {
		j.process("default", p.Default)
	}
	j.host(&p.Host)
	j.subject = "dns"
	list(j, "block_names", p.DNS.BlockNames, networkText, func(policy.NetworkRule) []step {
		return []step{{ability: Prevent, how: "cgroup programs, on the question's way out", needs: []string{"cgroup_skb"}}}
	})
	j.firewall(&p.Firewall)
	return j.rules
}

// judge collects rules; subject is whose they are.
type judge struct {
	kernel  Kernel
	subject string
	rules   []Rule
}

func (j *judge) add(key, text string, pos policy.Position, ladder []step) {
	r := j.kernel.climb(ladder)
	r.Subject, r.Key, r.Text, r.Pos, r.Line = j.subject, key, text, pos, pos.Line
	j.rules = append(j.rules, r)
}

// list adds the rules of a list. One that names nothing is a rule by itself, judged as a rule that is empty.
func list[R any](j *judge, key string, l policy.List[R], text func(R) (string, policy.Position), ladder func(R) []step) {
	for _, r := range l.Rules {
		t, pos := text(r)
		j.add(key, t, pos, ladder(r))
	}
	if l.Present && len(l.Rules) == 0 {
		var none R
		j.add(key, "", l.Pos, ladder(none))
	}
}

func pathText(r policy.PathRule) (string, policy.Position)       { return r.Text, r.Pos }
func networkText(r policy.NetworkRule) (string, policy.Position) { return r.Text, r.Pos }
func nameText(r policy.NameRule) (string, policy.Position)       { return r.Text, r.Pos }
func syscallText(r policy.SyscallRule) (string, policy.Position) { return r.Text, r.Pos }

func (j *judge) process(name string, p *policy.Process) {
	j.subject = name
	list(j, "allowed_exec", p.AllowedExec, pathText, func(policy.PathRule) []step { return execLadder("") })
	list(j, "blocked_exec", p.BlockedExec, pathText, func(r policy.PathRule) []step { return execLadder(r.Text) })
	list(j, "allowed_files", p.AllowedFiles, pathText, func(r policy.PathRule) []step { return fileLadder("", r.Access) })
	list(j, "blocked_files", p.BlockedFiles, pathText, func(r policy.PathRule) []step { return fileLadder(pattern(r), r.Access) })
	peer := func(r policy.NetworkRule) []step {
		return networkLadder(r, "cgroup_connect4", "cgroup_connect6", "cgroup_sendmsg4")
	}
	list(j, "allowed_network", p.AllowedNetwork, networkText, peer)
	list(j, "blocked_network", p.BlockedNetwork, networkText, peer)
	list(j, "allowed_listen", p.AllowedListen, networkText, func(r policy.NetworkRule) []step { return networkLadder(r, "cgroup_bind4") })
	// What an allow list of system calls denies is every other call, of which few have a hook.
	list(j, "allowed_syscalls", p.AllowedSyscalls, syscallText, func(policy.SyscallRule) []step { return syscallLadder([]string{"every other call"}) })
	list(j, "blocked_syscalls", p.BlockedSyscalls, syscallText, func(r policy.SyscallRule) []step { return syscallLadder(r.Names) })
	list(j, "blocked_capabilities", p.BlockedCapabilities, nameText, func(policy.NameRule) []step {
		return []step{
			lsm("LSM hook capable"),
			{ability: Kill, how: "a signal once it has been asked for, by a tracepoint", needs: []string{"tp_btf", "cap_capable"}},
		}
	})
	list(j, "protect.signals", p.Protect.Signals, nameText, func(policy.NameRule) []step { return hooked("task_kill", "the signal has been sent") })
	list(j, "protect.ptrace", p.Protect.Ptrace, nameText, func(policy.NameRule) []step {
		return hooked("ptrace_access_check", "the call has returned")
	})
	j.limits(p)
	if p.NoSudo.Set {
		j.add("no_sudo", "true", p.NoSudo.Pos, hooked("bprm_creds_from_file", "the program runs"))
	}
}

// pattern is the glob of a file entry without its letters.
func pattern(r policy.PathRule) string {
	if r.Glob == nil {
		return ""
	}
	return r.Glob.String()
}

func (j *judge) limits(p *policy.Process) {
	for _, l := range []struct {
		key   string
		limit policy.Limit
	}{{"max_memory_mb", p.MaxMemoryMB}, {"max_cpu_percent", p.MaxCPUPercent}, {"max_processes", p.MaxProcesses}} {
		if l.limit.Value > 0 {
			j.add(l.key, "", l.limit.Pos, limitLadder(p))
		}
	}
}

func (j *judge) host(h *policy.Host) {
	j.subject = "host"
	list(j, "exec", h.Exec, func(r policy.StartRule) (string, policy.Position) { return pathText(r.Path) },
		func(r policy.StartRule) []step { return execLadder(r.Path.Text) })
	for _, f := range h.Files.Rules {
		if f.Readers.Present {
			j.add("files.readers", f.Path.Text, f.Path.Pos, fileLadder(pattern(f.Path), policy.AccessRead))
		}
		if f.Writers.Present {
			j.add("files.writers", f.Path.Text, f.Path.Pos, fileLadder(pattern(f.Path), policy.AccessWrite))
		}
	}
	call := func(hook string) []step { return hooked(hook, "the call has returned") }
	module := func(policy.NameRule) []step { return j.modules(call("kernel_read_file and kernel_load_data")) }
	list(j, "kernel_modules.allow", h.ModulesAllowed, nameText, module)
	list(j, "kernel_modules.block", h.ModulesBlocked, nameText, module)
	for _, l := range []struct {
		key, hook string
		rules     policy.List[policy.PathRule]
	}{
		{"bpf.allow_exe", "bpf", h.BPF},
		{"mounts.block_sources", "sb_mount and move_mount", h.BlockedMountSources},
		{"settime.allow_exe", "settime", h.Settime},
		{"keyrings.allow_exe", "key_permission", h.Keyrings},
		{"io_uring.allow_exe", "inode_init_security_anon", h.IOUring},
	} {
		list(j, l.key, l.rules, pathText, func(policy.PathRule) []step { return call(l.hook) })
	}
	list(j, "devices", h.Devices, func(r policy.GuardedDevice) (string, policy.Position) { return pathText(r.Path) },
		func(policy.GuardedDevice) []step { return call("file_ioctl") })
	list(j, "prctl.block", h.BlockedPrctl, nameText, func(policy.NameRule) []step { return call("task_prctl") })
	if h.DenyMetadata.Set {
		j.add("metadata", "deny", h.DenyMetadata.Pos, networkLadder(policy.NetworkRule{}, "cgroup_connect4", "cgroup_connect6", "cgroup_sendmsg4"))
	}
}

// modules bars every step where the kernel has no modules to load.
func (j *judge) modules(ladder []step) []step {
	if m, told := j.kernel["kernel_modules"]; told && !m.Available && !m.Unknown {
		for i := range ladder {
			ladder[i].barred = m.Reason
		}
	}
	return ladder
}

func (j *judge) firewall(f *policy.Firewall) {
	j.subject = "firewall"
	ingress := []step{
		{ability: Prevent, how: "XDP", needs: []string{"xdp"}},
		{ability: Prevent, how: "tcx ingress", needs: []string{"tcx"}},
		{ability: Prevent, how: "clsact ingress", needs: []string{"tc"}},
	}
	if f.Ingress.DefaultDeny {
		j.add("ingress.default", "deny", f.Ingress.Pos, ingress)
	}
	for _, z := range f.Ingress.Zones {
		j.add("ingress.zones", z.Name, z.Pos, ingress)
	}
	egress := []step{
		{ability: Prevent, how: "tcx egress", needs: []string{"tcx"}},
		{ability: Prevent, how: "clsact egress", needs: []string{"tc"}},
	}
	if f.Egress.DefaultDeny {
		j.add("egress.default", "deny", f.Egress.Pos, egress)
	}
	packet := func(policy.NetworkRule) []step { return egress }
	list(j, "egress.allow", f.Egress.Allow, networkText, packet)
	list(j, "egress.block", f.Egress.Block, networkText, packet)
}
