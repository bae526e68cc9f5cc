package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/event"
)

const maxPrograms = 4096

// BPFPrograms lists the BPF programs that the kernel holds, by id, at most 4096: subject bpf_program, the id as name.
// If it could not list them all, a last fact named list says why. Needs CAP_SYS_ADMIN.
func BPFPrograms() []event.Posture {
	var facts []event.Posture
	partial := func(why string) []event.Posture {
		return append(facts, event.Posture{Subject: "bpf_program", Name: "list", Value: why})
	}
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, fs.ErrNotExist) {
			return facts
		}
		if err != nil {
			return partial("unknown: " + err.Error())
		}
		if len(facts) == maxPrograms {
			return partial(fmt.Sprintf("cut after %d", maxPrograms))
		}
		id = next
		value, err := describe(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // unloaded in the meantime
		}
		if err != nil {
			return partial("unknown: " + err.Error())
		}
		facts = append(facts, event.Posture{Subject: "bpf_program", Name: strconv.FormatUint(uint64(id), 10), Value: value})
	}
}

// describe writes type, name, tag (a hash of the instructions) and loading user of a program.
func describe(id ebpf.ProgramID) (string, error) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return "", err
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("type=%s name=%s tag=%s", info.Type, strconv.Quote(info.Name), info.Tag)
	if uid, ok := info.CreatedByUID(); ok {
		text += fmt.Sprintf(" uid=%d", uid)
	}
	return text, nil
}
