package posture

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
)

const securityfs = "sys/kernel/security"

// kernel reads which kernel runs, how it was started, and what has tainted it.
func (r *Reader) kernel() []event.Posture {
	files := []struct{ name, path string }{
		{"boot_id", "proc/sys/kernel/random/boot_id"},
		{"cmdline", "proc/cmdline"},
		{"hostname", "proc/sys/kernel/hostname"},
		{"ostype", "proc/sys/kernel/ostype"},
		{"release", "proc/sys/kernel/osrelease"},
		{"version", "proc/sys/kernel/version"},
	}
	var facts []event.Posture
	for _, f := range files {
		facts = append(facts, event.Posture{Subject: "kernel", Name: f.name, Value: r.value(f.path)})
	}
	taint := r.value("proc/sys/kernel/tainted")
	if bits, err := strconv.ParseUint(taint, 10, 64); err == nil {
		taint = Taint(bits)
	}
	return append(facts, event.Posture{Subject: "kernel", Name: "taint", Value: taint})
}

// value reads a one-line file as text without surrounding blanks; tabs become spaces. An unreadable one says why.
// It is never empty: a change away from an empty setting would look like a new one.
func (r *Reader) value(path string) string {
	data, _, err := r.read(path, maxValue)
	if err != nil {
		return reason(err)
	}
	text := strings.ReplaceAll(strings.TrimSpace(string(bytes.TrimRight(data, "\x00"))), "\t", " ")
	if text == "" {
		return `""`
	}
	return text
}

// security reads what securityfs tells: the active LSMs and the lockdown level.
func (r *Reader) security() []event.Posture {
	return []event.Posture{
		{Subject: "lsm", Name: "active", Value: r.securityValue("lsm")},
		{Subject: "lsm", Name: "lockdown", Value: Lockdown(r.securityValue("lockdown"))},
	}
}

// securityValue tells a file system that is not mounted from a kernel that lacks the file.
func (r *Reader) securityValue(name string) string {
	data, _, err := r.read(securityfs+"/"+name, maxValue)
	if err == nil {
		return strings.TrimSpace(string(data))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return reason(err)
	}
	mounted := false
	if err := r.each(securityfs, func(string) bool { mounted = true; return false }); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return reason(err)
	}
	if !mounted {
		return "unknown: securityfs is not mounted on /" + securityfs
	}
	return Absent
}

// Lockdown picks the level in brackets from the text of the kernel's lockdown file, such as "none [integrity] confidentiality".
// Other text is returned as it is.
func Lockdown(text string) string {
	_, rest, ok := strings.Cut(text, "[")
	if !ok {
		return text
	}
	level, _, ok := strings.Cut(rest, "]")
	if !ok {
		return text
	}
	return level
}

// Taint writes the kernel's taint bits with their letters and meanings, as in the kernel's admin-guide/tainted-kernels.rst.
func Taint(bits uint64) string {
	if bits == 0 {
		return "0"
	}
	known := []struct {
		letter byte
		what   string
	}{
		{'P', "proprietary module"},
		{'F', "module loaded by force"},
		{'S', "out of specification system"},
		{'R', "module unloaded by force"},
		{'M', "machine check"},
		{'B', "bad page"},
		{'U', "requested from user space"},
		{'D', "oops or bug"},
		{'A', "overridden ACPI table"},
		{'W', "warning"},
		{'C', "staging driver"},
		{'I', "firmware bug worked around"},
		{'O', "module from outside the tree"},
		{'E', "unsigned module"},
		{'L', "soft lockup"},
		{'K', "live patch"},
		{'X', "distribution's own taint"},
		{'T', "randomised structures"},
		{'N', "in-kernel test"},
		{'J', "firmware control debug write"},
	}
	var letters, words []string
	for bit := range 64 {
		if bits&(1<<bit) == 0 {
			continue
		}
		if bit >= len(known) {
			words = append(words, fmt.Sprintf("bit %d", bit))
			continue
		}
		letters = append(letters, string(known[bit].letter))
		words = append(words, known[bit].what)
	}
	text := strconv.FormatUint(bits, 10)
	if len(letters) > 0 {
		text += " " + strings.Join(letters, "")
	}
	return text + ": " + strings.Join(words, ", ")
}
