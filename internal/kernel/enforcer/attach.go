//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// attached is a program in force.
type attached struct {
	hook hook
	link link.Link
	pin  string
}

// wanted returns the hooks that a policy needs on this kernel, by family, and what the kernel lacks for it.
func (e *Enforcer) wanted(asks uint32) (out map[string][]hook, lacks []string, err error) {
	out = map[string][]hook{}
	for _, f := range families() {
		spec, err := f.spec()
		if err != nil {
			return nil, nil, fmt.Errorf("read the %s object: %w", f.name, err)
		}
		for _, h := range f.hooks {
			if asks == 0 || h.asks != 0 && h.asks&asks == 0 || h.rung == withoutLSM && e.cfg.Trampolines || h.when != nil && !h.when(e.types) {
				continue
			}
			if h.rung == withLSM && !e.cfg.Trampolines {
				if h.without != "" && !h.covered {
					lacks = append(lacks, h.without+": no LSM programs can be attached here")
				}
				continue
			}
			p := spec.Programs[h.program]
			if p == nil {
				return nil, nil, fmt.Errorf("the %s object has no program %s", f.name, h.program)
			}
			if missing := e.missing(p); missing != "" {
				if h.without != "" {
					lacks = append(lacks, fmt.Sprintf("%s: the kernel has %s", h.without, missing))
				}
				continue
			}
			out[f.name] = append(out[f.name], h)
		}
	}
	return out, lacks, nil
}

// missing says what the kernel lacks for a program, as far as its types tell.
func (e *Enforcer) missing(p *ebpf.ProgramSpec) string {
	if p.Type != ebpf.LSM {
		return ""
	}
	var fn *btf.Func
	if e.types.TypeByName("bpf_lsm_"+p.AttachTo, &fn) != nil {
		return "no LSM hook " + p.AttachTo
	}
	return ""
}

// load loads programs of a family on the shared maps.
func (e *Enforcer) load(f family, hooks []hook) (*ebpf.Collection, error) {
	spec, err := f.spec()
	if err != nil {
		return nil, fmt.Errorf("read the %s object: %w", f.name, err)
	}
	programs := map[string]*ebpf.ProgramSpec{}
	for _, h := range hooks {
		programs[h.program] = spec.Programs[h.program]
	}
	spec.Programs = programs
	replace := map[string]*ebpf.Map{}
	for name, m := range spec.Maps {
		if !strings.HasPrefix(name, ".") {
			e.size(m)
			replace[name] = e.maps[name]
		}
	}
	for name, v := range map[string]any{
		"image_mask": e.words - 1, "scope_cgroup": e.cfg.Scope.CgroupID, "scope_level": e.cfg.Scope.CgroupLevel,
		"rung_evidence": e.evidence(),
	} {
		if spec.Variables[name] == nil {
			continue
		}
		if err := spec.Variables[name].Set(v); err != nil {
			return nil, fmt.Errorf("constant %s of the %s object: %w", name, f.name, err)
		}
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace, Cache: e.cache, Programs: ebpf.ProgramOptions{KernelTypes: e.types}})
	if err != nil {
		return nil, fmt.Errorf("load the %s programs: %w", f.name, err)
	}
	return c, nil
}

// attachAll attaches and pins the hooks that are wanted and not there yet. On an error those that it attached are gone again.
func (e *Enforcer) attachAll(asks uint32) (err error) {
	wanted, _, err := e.wanted(asks)
	if err != nil {
		return err
	}
	var fresh []string
	defer func() {
		if err == nil {
			return
		}
		for _, program := range fresh {
			err = errors.Join(err, e.detach(e.links[program]))
			delete(e.links, program)
		}
	}()
	for _, f := range families() {
		var hooks []hook
		for _, h := range wanted[f.name] {
			if _, there := e.links[h.program]; !there && !h.detached {
				hooks = append(hooks, h)
			}
		}
		if len(hooks) == 0 {
			continue
		}
		c, err := e.load(f, hooks)
		if err != nil {
			return err
		}
		defer c.Close()
		for _, h := range hooks {
			a, err := e.attach(h, c.Programs[h.program])
			if err != nil {
				return fmt.Errorf("attach %s: %w", h.program, err)
			}
			e.links[h.program] = a
			fresh = append(fresh, h.program)
		}
	}
	return nil
}

func (e *Enforcer) attach(h hook, p *ebpf.Program) (a attached, err error) {
	a = attached{hook: h, pin: e.pins("links", e.token+"-"+h.program)}
	switch p.Type() {
	case ebpf.LSM:
		a.link, err = link.AttachLSM(link.LSMOptions{Program: p})
	case ebpf.Tracing:
		a.link, err = link.AttachTracing(link.TracingOptions{Program: p})
	default:
		a.link, err = link.AttachCgroup(link.CgroupOptions{Path: e.cfg.CgroupRoot, Attach: h.cgroup, Program: p})
	}
	if err != nil {
		return a, err
	}
	if err := a.link.Pin(a.pin); err != nil {
		return a, errors.Join(fmt.Errorf("pin it: %w", err), a.link.Close())
	}
	return a, nil
}

func (e *Enforcer) detach(a attached) error {
	return errors.Join(a.link.Unpin(), a.link.Close())
}

// detachUnwanted ends what the policy in force needs no more.
func (e *Enforcer) detachUnwanted(asks uint32) error {
	var errs []error
	for program, a := range e.links {
		if asks == 0 || a.hook.asks != 0 && a.hook.asks&asks == 0 {
			errs = append(errs, e.detach(a))
			delete(e.links, program)
		}
	}
	return errors.Join(errs...)
}

// dropBefore detaches what an earlier process has attached.
func (e *Enforcer) dropBefore() error {
	var errs []error
	for _, pin := range e.before {
		errs = append(errs, os.Remove(pin))
	}
	e.before = nil
	return errors.Join(errs...)
}

// evidence is EV_LSM or EV_CGROUP of record.h: what EV_RUNG stands for.
func (e *Enforcer) evidence() uint8 {
	if e.cfg.Trampolines {
		return uint8(fileEvidenceEV_LSM)
	}
	return uint8(fileEvidenceEV_CGROUP)
}
