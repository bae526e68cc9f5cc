/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of the kernel's interface to programs, from include/uapi/linux of 6.1 to 7.2. */
#pragma once

enum { SEND_SIG_PRIV = 1 }; /* and below: no siginfo, but a number that says who sent it (include/linux/sched/signal.h) */
enum { AF_NETLINK = 16, NETLINK_XFRM = 6 };
/* The calls that send signals, in the three tables of x86-64. */
enum {
	KILL_NR = 62, RT_SIGQUEUEINFO_NR = 129, TKILL_NR = 200, TGKILL_NR = 234, RT_TGSIGQUEUEINFO_NR = 297, PIDFD_SEND_SIGNAL_NR = 424,
	RT_SIGQUEUEINFO_X32 = 524, RT_TGSIGQUEUEINFO_X32 = 536,
	KILL_IA32 = 37, RT_SIGQUEUEINFO_IA32 = 178, TKILL_IA32 = 238, TGKILL_IA32 = 270, RT_TGSIGQUEUEINFO_IA32 = 335,
};
/* x86-64 system calls that share a program with others. */
enum { PTRACE_NR = 101, ADJTIMEX_NR = 159, SETNS_NR = 308, FINIT_MODULE_NR = 313, MOVE_MOUNT_NR = 429 };
/* i386's. */
enum { ADJTIMEX_IA32 = 124, FINIT_MODULE_IA32 = 350 };
enum { SEMGET = 2, SEMCTL = 3, MSGGET = 13, MSGCTL = 14, SHMGET = 23, SHMCTL = 24 }; /* ipc(2)'s first argument */
enum { SYS_SOCKET = 1 };                                                             /* socketcall(2)'s */
enum {
	PTRACE_TRACEME = 0, PTRACE_POKETEXT = 4, PTRACE_POKEDATA = 5, PTRACE_SETREGS = 13, PTRACE_ATTACH = 16, PTRACE_SETREGSET = 0x4205,
	PTRACE_SEIZE = 0x4206,
};
enum {
	BPF_MAP_CREATE = 0, BPF_PROG_LOAD = 5,
};
/* MAP_LOOKUP_ELEM to MAP_GET_NEXT_KEY; PROG_GET_NEXT_ID, MAP_GET_NEXT_ID, PROG_GET_FD_BY_ID; OBJ_GET_INFO_BY_FD, PROG_QUERY;
 * BTF_LOAD, BTF_GET_FD_BY_ID, TASK_FD_QUERY, MAP_LOOKUP_AND_DELETE_ELEM, MAP_FREEZE, BTF_GET_NEXT_ID, the batches of map
 * elements; LINK_GET_NEXT_ID. */
#define BPF_UNREMARKABLE (0x1eULL | 7ULL << 11 | 3ULL << 15 | 0x3ffULL << 18 | 1ULL << 31)
/* Offsets of names in union bpf_attr. */
enum { ATTR_MAP_NAME = 28, ATTR_PROG_NAME = 48 };
enum {
	PR_SET_PDEATHSIG = 1, PR_SET_DUMPABLE = 4, PR_SET_KEEPCAPS = 8, PR_SET_TIMING = 14, PR_SET_NAME = 15, PR_SET_SECCOMP = 22,
	PR_CAPBSET_DROP = 24, PR_SET_TSC = 26, PR_SET_SECUREBITS = 28, PR_SET_MM = 35, PR_SET_CHILD_SUBREAPER = 36,
	PR_SET_NO_NEW_PRIVS = 38, PR_CAP_AMBIENT = 47, PR_SET_SPECULATION_CTRL = 53, PR_SET_IO_FLUSHER = 57,
	PR_SET_SYSCALL_USER_DISPATCH = 59, PR_SET_MDWE = 65, PR_SET_PTRACER = 0x59616d61,
};
