package probe

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

const (
	trampolineRemedy = "boot a distribution's own kernel: it needs CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y and CONFIG_BPF_LSM=y"
	lsmRemedy        = "boot with bpf in the LSM list: append lsm=LIST,bpf to the command line, where LIST is the list of /sys/kernel/security/lsm"
)

// hooks lists where programs can be attached outside of the network.
func hooks() []check {
	return []check{
		{
			name: "raw_tracepoint", purpose: "all sensors on the tracepoint rung", root: true,
			evidence: "load, and attach to sched_process_exit",
			remedy:   "boot a kernel built with CONFIG_BPF_EVENTS=y",
			try: plain(func() error {
				return attach(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: returning(0)}, func(p *ebpf.Program) (link.Link, error) {
					return link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sched_process_exit", Program: p})
				})
			}),
		},
		{
			name: "tp_btf", purpose: "process, signal and network state sensors on both rungs", root: true,
			evidence: "load, and attach to sched_process_exit",
			remedy:   "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y and CONFIG_BPF_EVENTS=y",
			try: plain(func() error {
				spec := &ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sched_process_exit", Instructions: returning(0)}
				return attach(spec, func(p *ebpf.Program) (link.Link, error) {
					return link.AttachTracing(link.TracingOptions{Program: p})
				})
			}),
		},
		{
			name: "fexit", purpose: "results and durations on the LSM rung", root: true,
			evidence: "attach to bpf_fentry_test1 and have the kernel call it",
			remedy:   trampolineRemedy,
			try:      plain(tryFexit),
		},
		{
			name: "lsm_active", purpose: "knowing the active LSMs before trying", evidence: "read /sys/kernel/security/lsm",
			remedy: lsmRemedy,
			try:    lsmActive,
		},
		{
			name: "lsm", purpose: "file and system sensors on the kernel's own objects; preventing exec, file and system accesses", root: true,
			evidence: "attach to task_getpgid and call getpgid(2)",
			try:      plain(lsmWorks),
		},
		{
			name: "kprobe", purpose: "nothing that Stockade ships; the operator's own modules", root: true,
			evidence: "attach to commit_creds",
			remedy:   "boot without lockdown=confidentiality, which forbids them",
			try:      plain(kprobe),
		},
	}
}

// lsmActive says whether bpf is in the list of active LSMs.
func lsmActive(context.Context) (string, error) {
	text, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		return "", securityfsMissing("lsm", "boot a kernel built with CONFIG_SECURITY=y")
	}
	list := strings.TrimSpace(string(text))
	evidence := "/sys/kernel/security/lsm: " + list
	if slices.Contains(strings.Split(list, ","), "bpf") {
		return evidence, nil
	}
	return evidence, &refusal{reason: "bpf is not in the list of active LSMs", remedy: "append lsm=" + list + ",bpf to the kernel's command line, and boot again"}
}

// lsmWorks tells a hook that is never called from programs that are refused.
func lsmWorks() error {
	err := tryLSM()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSilent):
		return &refusal{reason: "LSM programs attach but are never called, because bpf is not in the list of active LSMs", remedy: lsmRemedy}
	case tryFexit() != nil:
		return &refusal{reason: "the kernel refuses LSM programs, as it does all trampolines (" + cause(err) + ")", remedy: trampolineRemedy}
	default:
		return &refusal{reason: "the kernel refuses LSM programs (" + cause(err) + ")", remedy: "boot a kernel built with CONFIG_BPF_LSM=y"}
	}
}

// kprobe looks for the perf event source first: without it the library would write to tracefs, where a probe can outlive us.
func kprobe() error {
	if _, err := os.Stat("/sys/bus/event_source/devices/kprobe/type"); err != nil {
		return &refusal{reason: "this kernel is built without kprobes", remedy: "boot a kernel built with CONFIG_KPROBE_EVENTS=y"}
	}
	return attach(&ebpf.ProgramSpec{Type: ebpf.Kprobe, Instructions: returning(0)}, func(p *ebpf.Program) (link.Link, error) {
		return link.Kprobe("commit_creds", p, nil)
	})
}
