//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// compatBase is where i386 numbers begin in the dispatcher's table; COMPAT_BASE in core.bpf.c.
const compatBase = 1024

// shared names the maps of which the core's serve every object.
var shared = []string{bpfMapRing, bpfMapSlots, bpfMapStats, bpfMapWatchedPids}

// Add loads a sensor's programs and attaches them. A hook that this kernel lacks is noted in Attached and left out;
// any other error detaches nothing but leaves the sensor incomplete, so the caller should close the Kernel.
func (k *Kernel) Add(s *Sensor) error {
	spec, err := s.Spec()
	if err != nil {
		return fmt.Errorf("read the %s sensor's object: %w", s.Name, err)
	}
	plans := k.plan(s, spec)
	if err := k.constants(s, spec); err != nil {
		return fmt.Errorf("set up the %s sensor: %w", s.Name, err)
	}
	replace := map[string]*ebpf.Map{}
	for _, name := range shared {
		if m := spec.Maps[name]; m != nil {
			replace[name] = k.core.Maps[name]
			m.MaxEntries = replace[name].MaxEntries() // which Config may have set
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, k.options(replace))
	if err != nil {
		return fmt.Errorf("load the %s sensor: %w", s.Name, err)
	}
	k.loaded = append(k.loaded, coll)
	for _, kind := range s.Kinds {
		k.decoders[kind] = s.Decode
	}
	if err := k.addFolds(s, spec, coll); err != nil {
		return err
	}
	for _, p := range plans {
		if err := k.attach(s, p, coll.Programs[p.name]); err != nil {
			return fmt.Errorf("attach %s: %w", p.target, err)
		}
	}
	return nil
}

// Plan says where the sensors' hooks would be attached, as far as the kernel's types tell. It loads nothing.
func Plan(trampolines bool, sensors []*Sensor) ([]Attached, error) {
	types, _, err := LoadTypes()
	if err != nil {
		return nil, fmt.Errorf("load the kernel's types: %w", err)
	}
	k := &Kernel{cfg: Config{Trampolines: trampolines}, types: types}
	for _, s := range sensors {
		spec, err := s.Spec()
		if err != nil {
			return nil, fmt.Errorf("read the %s sensor's object: %w", s.Name, err)
		}
		for _, p := range k.plan(s, spec) {
			k.attached = append(k.attached, Attached{Sensor: s.Name, Program: p.hook.Program, Target: p.target})
		}
	}
	return k.attached, nil
}

// plan is one program to load and where it goes.
type plan struct {
	name, target string
	hook         *Hook
	syscall      Syscall
}

// plan leaves in spec just the programs for this rung and kernel, one copy for each system call where fexit is used.
func (k *Kernel) plan(s *Sensor, spec *ebpf.CollectionSpec) []plan {
	rung := Tracepoints
	if k.cfg.Trampolines {
		rung = Trampolines
	}
	programs := map[string]*ebpf.ProgramSpec{}
	var plans []plan
	for i := range s.Hooks {
		h := &s.Hooks[i]
		p := spec.Programs[h.Program]
		if p == nil || (h.Rung != BothRungs && h.Rung != rung) || (h.When != nil && !h.When(k.types)) {
			continue
		}
		for _, one := range k.expand(h, p, rung) {
			if missing := k.missing(one.spec); missing != "" {
				k.attached = append(k.attached, Attached{Sensor: s.Name, Program: h.Program, Target: one.target, Missing: missing})
				continue
			}
			programs[one.name] = one.spec
			plans = append(plans, one.plan)
		}
	}
	spec.Programs = programs
	return plans
}

type copied struct {
	plan
	spec *ebpf.ProgramSpec
}

func (k *Kernel) expand(h *Hook, p *ebpf.ProgramSpec, rung Rung) []copied {
	if len(h.Syscalls) == 0 {
		return []copied{{plan{name: p.Name, target: p.SectionName, hook: h}, p}}
	}
	var out []copied
	for _, c := range h.Syscalls {
		if rung == Tracepoints {
			out = append(out, copied{plan{name: p.Name, target: "sys_exit/" + c.Name, hook: h, syscall: c}, p})
			continue
		}
		for _, prefix := range []string{"__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"} {
			one := p.Copy()
			one.AttachType, one.AttachTo = ebpf.AttachTraceFExit, prefix+c.Name
			native := prefix == "__x64_sys_"
			if native && c.Native < 0 || !native && k.missing(one) != "" {
				continue // built without 32-bit calls, or this one has no such entry
			}
			out = append(out, copied{plan{name: p.Name + "/" + one.AttachTo, target: "fexit/" + one.AttachTo, hook: h, syscall: c}, one})
		}
	}
	return out
}

// missing says what the kernel lacks for a program, as far as its types tell.
func (k *Kernel) missing(p *ebpf.ProgramSpec) string {
	var name string
	switch {
	case p.Type == ebpf.LSM:
		name = "bpf_lsm_" + p.AttachTo
	case p.Type == ebpf.Tracing && p.AttachType == ebpf.AttachTraceRawTp:
		var def *btf.Typedef
		if k.types.TypeByName("btf_trace_"+p.AttachTo, &def) != nil {
			return "no tracepoint " + p.AttachTo
		}
		return ""
	case p.Type == ebpf.Tracing:
		name = p.AttachTo
	default:
		return ""
	}
	var fn *btf.Func
	switch err := k.types.TypeByName(name, &fn); {
	case errors.Is(err, btf.ErrMultipleMatches):
		return "more than one function " + name
	case err != nil:
		return "no function " + name
	}
	return ""
}

func (k *Kernel) constants(s *Sensor, spec *ebpf.CollectionSpec) error {
	rung := uint8(bpfEvidenceEV_DESCRIPTOR)
	if k.cfg.Trampolines {
		rung = uint8(bpfEvidenceEV_TRAMPOLINE)
	}
	all := map[string]any{
		bpfVarRungEvidence: rung,
		bpfVarScopeCgroup:  k.cfg.Scope.CgroupID,
		bpfVarScopeLevel:   k.cfg.Scope.CgroupLevel,
		bpfVarScopePids:    uint32(min(len(k.cfg.Scope.PIDs), 1)),
	}
	maps.Copy(all, s.Constants)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := spec.Variables[name]
		if v == nil {
			if s.Constants[name] != nil {
				return fmt.Errorf("no constant %s", name)
			}
			continue // this object does not use it
		}
		if err := v.Set(all[name]); err != nil {
			return fmt.Errorf("constant %s: %w", name, err)
		}
	}
	return nil
}

func (k *Kernel) attach(s *Sensor, p plan, prog *ebpf.Program) error {
	var err error
	switch {
	case p.hook.Cgroup:
		err = k.keep(link.AttachCgroup(link.CgroupOptions{Path: k.cfg.CgroupRoot, Attach: cgroupAttach(p.target), Program: prog}))
	case strings.HasPrefix(p.target, "sys_exit/"):
		err = k.dispatch(p.syscall, prog)
	case prog.Type() == ebpf.LSM:
		err = k.keep(link.AttachLSM(link.LSMOptions{Program: prog}))
	case prog.Type() == ebpf.Tracing:
		err = k.keep(link.AttachTracing(link.TracingOptions{Program: prog}))
	default:
		err = fmt.Errorf("no way to attach a program of type %s", prog.Type())
	}
	if err != nil {
		return err
	}
	k.attached = append(k.attached, Attached{Sensor: s.Name, Program: p.hook.Program, Target: p.target})
	return nil
}

func (k *Kernel) keep(l link.Link, err error) error {
	if err == nil {
		k.links = append(k.links, l)
	}
	return err
}

// dispatch enters a handler in the dispatcher's table, and attaches the dispatcher with the first one.
func (k *Kernel) dispatch(c Syscall, prog *ebpf.Program) error {
	table := k.core.Maps[bpfMapHandlers]
	for _, number := range []int{c.Native, c.compat()} {
		if number < 0 {
			continue
		}
		if k.handlers[number] {
			return errors.New("another sensor handles this system call already")
		}
		k.handlers[number] = true
		if err := table.Put(uint32(number), prog); err != nil {
			return err
		}
	}
	if k.handled {
		return nil
	}
	k.handled = true
	return k.keep(link.AttachTracing(link.TracingOptions{Program: k.core.Programs[bpfProgKernelSysExit]}))
}

func cgroupAttach(section string) ebpf.AttachType {
	switch strings.TrimPrefix(section, "cgroup/") {
	case "connect4":
		return ebpf.AttachCGroupInet4Connect
	case "connect6":
		return ebpf.AttachCGroupInet6Connect
	case "sendmsg4":
		return ebpf.AttachCGroupUDP4Sendmsg
	case "sendmsg6":
		return ebpf.AttachCGroupUDP6Sendmsg
	case "bind4":
		return ebpf.AttachCGroupInet4Bind
	case "bind6":
		return ebpf.AttachCGroupInet6Bind
	case "post_bind4":
		return ebpf.AttachCGroupInet4PostBind
	case "post_bind6":
		return ebpf.AttachCGroupInet6PostBind
	case "sock_create":
		return ebpf.AttachCGroupInetSockCreate
	default:
		return ebpf.AttachNone
	}
}
