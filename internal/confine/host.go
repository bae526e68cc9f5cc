package confine

import (
	"slices"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
)

const noSubjects = "Landlock and seccomp do not know which program asks, and can refuse only what an allow list leaves out"

// host plans what holds for every task, as far as the command and its children are concerned.
func (p *planner) host() {
	h := &p.Policy.Host
	for _, r := range h.Exec.Rules {
		p.open(r.Path.Pos, "host.exec", noSubjects)
	}
	for _, r := range h.Files.Rules {
		p.open(r.Path.Pos, "host.files", noSubjects)
	}
	for _, r := range h.Devices.Rules {
		p.open(r.Path.Pos, "host.devices", "Landlock refuses ioctl on no device by its path")
	}
	for _, r := range h.BlockedMountSources.Rules {
		p.open(r.Pos, "host.mounts.block_sources", "seccomp does not see what is mounted")
	}
	p.granting("host.bpf.allow_exe", h.BPF, "bpf")
	p.granting("host.settime.allow_exe", h.Settime, "settimeofday", "clock_settime", "clock_settime64", "stime")
	p.granting("host.keyrings.allow_exe", h.Keyrings, "add_key", "request_key", "keyctl")
	p.granting("host.io_uring.allow_exe", h.IOUring, ringCalls...)
	p.modules(h)
	p.prctl(h)
	if q := p.process; h.DenyMetadata.Set && !q.AllowedNetwork.Present && !q.BlockedNetwork.Present {
		p.open(h.DenyMetadata.Pos, "host.metadata", portsOnly)
	}
	if list := p.Policy.DNS.BlockNames; list.Present {
		p.open(list.Pos, "dns.block_names", "packets are not judged here")
	}
	if f := &p.Policy.Firewall; f.Egress.Present {
		p.open(f.Egress.Pos, "firewall.egress", "packets are not judged here")
	}
}

// granting refuses calls that only some executables may make.
func (p *planner) granting(key string, list policy.List[policy.PathRule], names ...string) {
	switch {
	case !list.Present:
	case p.Kernel.NoSeccomp != "":
		p.open(list.Pos, key, "%s", p.Kernel.NoSeccomp)
	case p.named(list):
		p.open(list.Pos, key, "the list names the command, and seccomp does not tell its children from it")
	default:
		if len(list.Rules) > 0 {
			p.closed(list.Pos, key, "programs of the list are refused too where the command starts them")
		}
		p.calls.deny(names...)
	}
}

// named reports whether a list of executables has the command.
func (p *planner) named(list policy.List[policy.PathRule]) bool {
	exe := p.Command.Executable()
	return slices.ContainsFunc(list.Rules, func(r policy.PathRule) bool { return r.Glob.Match(exe) })
}

func (p *planner) modules(h *policy.Host) {
	switch {
	case h.ModulesAllowed.Present && len(h.ModulesAllowed.Rules) == 0 && p.Kernel.NoSeccomp == "":
		p.calls.deny("init_module", "finit_module")
	case h.ModulesAllowed.Present:
		p.open(h.ModulesAllowed.Pos, "host.kernel_modules.allow", "seccomp does not see a module's name")
	case len(h.ModulesBlocked.Rules) > 0:
		p.open(h.ModulesBlocked.Pos, "host.kernel_modules.block", "seccomp does not see a module's name")
	}
}

// prctl refuses options by their number.
func (p *planner) prctl(h *policy.Host) {
	const key = "host.prctl.block"
	switch {
	case len(h.BlockedPrctl.Rules) == 0:
		return
	case p.Kernel.NoSeccomp != "":
		p.open(h.BlockedPrctl.Pos, key, "%s", p.Kernel.NoSeccomp)
		return
	case p.named(h.PrctlExe):
		p.open(h.BlockedPrctl.Pos, key, "prctl.allow_exe names the command, and seccomp does not tell its children from it")
		return
	case len(h.PrctlExe.Rules) > 0:
		p.closed(h.BlockedPrctl.Pos, key, "programs of prctl.allow_exe are refused too where the command starts them")
	}
	var options []uint32
	for _, r := range h.BlockedPrctl.Rules {
		if number, ok := syscalls.PrctlOption(r.Text); ok {
			options = append(options, number)
		}
	}
	p.calls.check("prctl", argument(0, denyAny(options)))
}
