//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"github.com/stockade-security/stockade/event"
)

// Record is one message of a sensor's program. It is valid only until the next one is read: copy what is kept.
type Record struct {
	// TimeNS is when it happened, in nanoseconds since boot, suspend included.
	TimeNS uint64
	// PID, TID and StartNS name the task that did it; see event.Ref.
	PID, TID uint32
	StartNS  uint64
	UID, GID uint32
	CgroupID uint64
	// Comm is the task's name, ended by a zero byte or its end.
	Comm [16]byte
	// KernelThread: the task has no memory of its own and never will.
	KernelThread bool
	Kind         event.Kind
	Evidence     event.Evidence
	// Errno is the positive error number of a failed operation.
	Errno int
	// CPU, Seq and LostBefore account for losses: see Accounts.
	CPU             uint16
	Seq, LostBefore uint64
	// Subject, Rule and Action are what an enforcing program decided: numbers of its image, and of record.action.
	Subject, Rule uint32
	Action        uint8

	// Learned is what the decoder found for the process table beyond the event itself; a type of its sensor's package.
	Learned any

	body, texts []byte
}

// ErrShortRecord says that a record ended before its parts did: program and decoder disagree.
var ErrShortRecord = errors.New("record shorter than its layout")

// Parse fills r from a ring record. The record's memory is used, not copied.
func (r *Record) Parse(raw []byte) error {
	h, rest, err := view[bpfRecord](raw)
	if err != nil {
		return err
	}
	if uint64(h.BodyBytes) > uint64(len(rest)) {
		return ErrShortRecord
	}
	*r = Record{
		TimeNS: h.TimeNs, PID: h.Pid, TID: h.Tid, StartNS: h.StartNs, UID: h.Uid, GID: h.Gid, CgroupID: h.Cgroup,
		Kind: kindOf(h.Kind), Evidence: evidenceOf(h.Evidence), Errno: int(h.Error),
		CPU: h.Cpu, Seq: h.Seq, LostBefore: h.LostBefore, Subject: h.Subject, Rule: h.Rule, Action: h.Action,
		KernelThread: h.Flags&recordKthread != 0,
		body:         rest[:h.BodyBytes], texts: rest[h.BodyBytes:],
	}
	for i, c := range h.Comm {
		r.Comm[i] = byte(c)
	}
	if r.Kind == "" {
		return fmt.Errorf("unknown record kind %d", h.Kind)
	}
	return nil
}

// recordKthread is RECORD_KTHREAD of record.h.
const recordKthread = 1

// Name is Comm as text.
func (r *Record) Name() string { return CString(r.Comm[:]) }

// view reinterprets the front of raw, which the ring aligns to eight bytes, as a T of plain fixed-width fields.
func view[T any](raw []byte) (*T, []byte, error) {
	var t T
	if uintptr(len(raw)) < unsafe.Sizeof(t) {
		return nil, nil, ErrShortRecord
	}
	p := unsafe.Pointer(unsafe.SliceData(raw))
	if uintptr(p)%unsafe.Alignof(t) != 0 {
		return nil, nil, errors.New("record is not aligned")
	}
	return (*T)(p), raw[unsafe.Sizeof(t):], nil
}

// Body returns the kind's own structure of a record, of a type that the generator made from C.
// It points into the record.
func Body[T any](r *Record) (*T, error) {
	t, _, err := view[T](r.body)
	return t, err
}

// Text takes the next string of the record, and says whether the kernel had to cut it or could not read it.
func (r *Record) Text() (s string, cut bool, err error) {
	b, cut, err := r.Bytes()
	return string(b), cut, err
}

// Bytes is Text without the copy; the bytes are valid as long as the record.
func (r *Record) Bytes() (b []byte, cut bool, err error) {
	if len(r.texts) < 4 {
		return nil, false, ErrShortRecord
	}
	n := int(binary.LittleEndian.Uint16(r.texts))
	cut = binary.LittleEndian.Uint16(r.texts[2:]) != 0
	if len(r.texts) < 4+n {
		return nil, false, ErrShortRecord
	}
	b, r.texts = r.texts[4:4+n], r.texts[4+n:]
	return b, cut, nil
}

// CString is the text of a fixed-size C string.
func CString[B int8 | uint8](c []B) string {
	b := make([]byte, 0, len(c))
	for _, v := range c {
		if v == 0 {
			break
		}
		b = append(b, byte(v))
	}
	return string(b)
}

// Device writes the kernel's device number as major:minor.
func Device(dev uint32) string {
	var b [16]byte
	text := append(strconv.AppendUint(b[:0], uint64(dev>>20), 10), ':')
	return string(strconv.AppendUint(text, uint64(dev&0xfffff), 10))
}

func kindOf(k uint16) event.Kind {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return ""
}

// kinds maps enum kind of record.h to the vocabulary.
var kinds = [...]event.Kind{
	bpfKindKIND_EXEC: event.KindExec, bpfKindKIND_FORK: event.KindFork, bpfKindKIND_EXIT: event.KindExit,
	bpfKindKIND_FILE_OPEN: event.KindFileOpen, bpfKindKIND_FILE_CREATE: event.KindFileCreate, bpfKindKIND_FILE_DELETE: event.KindFileDelete,
	bpfKindKIND_FILE_RENAME: event.KindFileRename, bpfKindKIND_FILE_LINK: event.KindFileLink, bpfKindKIND_FILE_CHMOD: event.KindFileChmod,
	bpfKindKIND_FILE_CHOWN: event.KindFileChown, bpfKindKIND_FILE_TRUNCATE: event.KindFileTruncate, bpfKindKIND_FILE_XATTR: event.KindFileXattr,
	bpfKindKIND_CONNECT: event.KindConnect, bpfKindKIND_ACCEPT: event.KindAccept, bpfKindKIND_BIND: event.KindBind,
	bpfKindKIND_LISTEN: event.KindListen, bpfKindKIND_SEND: event.KindSend,
	bpfKindKIND_SIGNAL: event.KindSignal, bpfKindKIND_PTRACE: event.KindPtrace, bpfKindKIND_BPF: event.KindBPF,
	bpfKindKIND_MODULE_LOAD: event.KindModuleLoad, bpfKindKIND_MODULE_UNLOAD: event.KindModuleUnload,
	bpfKindKIND_MOUNT: event.KindMount, bpfKindKIND_UMOUNT: event.KindUmount, bpfKindKIND_CREDENTIAL: event.KindCredential,
	bpfKindKIND_CAPABILITY: event.KindCapability, bpfKindKIND_NAMESPACE: event.KindNamespace, bpfKindKIND_MEMORY_EXEC: event.KindMemoryExec,
	bpfKindKIND_LIBRARY: event.KindLibrary, bpfKindKIND_KEXEC: event.KindKexec, bpfKindKIND_SETTIME: event.KindSettime,
	bpfKindKIND_PRCTL: event.KindPrctl, bpfKindKIND_KEYRING: event.KindKeyring, bpfKindKIND_IO_URING: event.KindIOUring,
	bpfKindKIND_XFRM: event.KindXfrm, bpfKindKIND_IPC: event.KindIPC, bpfKindKIND_OOM_KILL: event.KindOOMKill,
	bpfKindKIND_SYSCALL: event.KindSyscall, bpfKindKIND_FILE_VOLUME: event.KindFileVolume, bpfKindKIND_FLOW_VOLUME: event.KindFlowVolume,
}

func evidenceOf(e uint8) event.Evidence {
	switch bpfEvidence(e) {
	case bpfEvidenceEV_LSM:
		return event.EvidenceLSM
	case bpfEvidenceEV_TRAMPOLINE:
		return event.EvidenceTrampoline
	case bpfEvidenceEV_TRACEPOINT:
		return event.EvidenceTracepoint
	case bpfEvidenceEV_DESCRIPTOR:
		return event.EvidenceDescriptor
	case bpfEvidenceEV_ARGUMENT:
		return event.EvidenceArgument
	case bpfEvidenceEV_CGROUP:
		return event.EvidenceCgroup
	default:
		return ""
	}
}
