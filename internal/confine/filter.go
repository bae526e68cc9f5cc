package confine

// code is a classic BPF program or a part of one, every way through which ends in a return (seccomp(2), Linux's
// Documentation/networking/filter.rst).
type code []instruction

// instruction has the layout of struct sock_filter.
type instruction struct {
	op     uint16
	jt, jf uint8
	k      uint32
}

// The operations that filters here consist of.
const (
	opLoad   = 0x20 // BPF_LD | BPF_W | BPF_ABS
	opAnd    = 0x54 // BPF_ALU | BPF_AND | BPF_K
	opJump   = 0x05 // BPF_JMP | BPF_JA
	opEqual  = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	opMore   = 0x25 // BPF_JMP | BPF_JGT | BPF_K
	opAny    = 0x45 // BPF_JMP | BPF_JSET | BPF_K
	opReturn = 0x06 // BPF_RET | BPF_K
)

// What a filter returns, and where it finds what of a call (struct seccomp_data, little-endian).
const (
	returnKill  = 0x8000_0000 // SECCOMP_RET_KILL_PROCESS
	returnErrno = 0x0005_0000
	returnAllow = 0x7fff_0000
	errnoEPERM  = 1

	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16

	archAMD64 = 0xc000_003e // AUDIT_ARCH_X86_64
	archI386  = 0x4000_0003 // AUDIT_ARCH_I386
	// x32 marks the calls of x86-64 with 32-bit pointers.
	x32 = 1 << 30

	maxJump = 255
	// maxFilter is BPF_MAXINSNS.
	maxFilter = 4096
)

func returns(value uint32) code { return code{{op: opReturn, k: value}} }

func allow() code { return returns(returnAllow) }

func deny() code { return returns(returnErrno | errnoEPERM) }

// argument loads the low half of an argument: the kernel takes all that is looked at here as an int.
func argument(n uint32, rest code) code { return load(offsetArgs+8*n, rest) }

func load(offset uint32, rest code) code {
	return append(code{{op: opLoad, k: offset}}, rest...)
}

func and(mask uint32, rest code) code {
	return append(code{{op: opAnd, k: mask}}, rest...)
}

// branch goes one of two ways. No jump is longer than the instruction can hold.
func branch(op uint16, k uint32, yes, no code) code {
	out := make(code, 0, 2+len(yes)+len(no))
	if len(yes) <= maxJump {
		out = append(out, instruction{op: op, k: k, jf: uint8(len(yes))})
	} else {
		out = append(out, instruction{op: op, k: k, jt: 1}, instruction{op: opJump, k: uint32(len(yes))})
	}
	return append(append(out, yes...), no...)
}

func ifEqual(k uint32, yes, no code) code { return branch(opEqual, k, yes, no) }

// ifAny asks for any bit of mask.
func ifAny(mask uint32, yes, no code) code { return branch(opAny, mask, yes, no) }

// span is a run of call numbers with one answer, which holds from first up to the next span.
type span struct {
	first  uint32
	answer code
}

// search finds the span of the number that is loaded; the first one begins at 0.
func search(spans []span) code {
	if len(spans) == 1 {
		return spans[0].answer
	}
	middle := len(spans) / 2
	return branch(opMore, spans[middle].first-1, search(spans[middle:]), search(spans[:middle]))
}

// program joins the answers about both tables. A call of any other kind of program ends the process.
func program(amd64, i386 []span) code {
	return load(offsetArch,
		ifEqual(archAMD64, load(offsetNumber, and(^uint32(x32), search(amd64))),
			ifEqual(archI386, load(offsetNumber, search(i386)), returns(returnKill))))
}
