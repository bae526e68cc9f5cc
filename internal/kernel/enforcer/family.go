//go:build linux

package enforcer

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// family is one object of programs that share the maps of the enforcement.
type family struct {
	name string
	spec func() (*ebpf.CollectionSpec, error)
	// hooks are its programs. One that no hook names is not loaded.
	hooks []hook
}

// hook is one program. Its section says where it is attached.
type hook struct {
	program string
	// asks are the layout.Ask… bits of what it judges: it is attached while a rule asks about one of them; 0: whenever
	// anything is enforced.
	asks uint32
	// rung is where it belongs: LSM programs on the rung with trampolines, those that do without on the other.
	rung rung
	// when says whether this variant fits the kernel's types; nil: always. Of several variants exactly one should.
	when func(*btf.Spec) bool
	// without says what goes unguarded where the kernel lacks the hook; empty: another one does its work.
	without string
	// covered: where there are no LSM programs, those of cgroups do the same.
	covered bool
	// cgroup is how a program of cgroups is attached.
	cgroup ebpf.AttachType
	// detached programs are not attached: the loader runs them (type syscall), or opens them (iterators).
	detached bool
}

type rung int

const (
	bothRungs rung = iota
	withLSM
	withoutLSM
)

// families are all of them, in the order of attaching: labels first.
func families() []family {
	return []family{identityFamily(), execFamily(), fileFamily(), networkFamily(), cgroupFamily(), systemFamily()}
}
