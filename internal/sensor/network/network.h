/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the network sensor's records hold after struct record. */
#pragma once
#include "socket.h"

/* One socket, or one message sent on it. A record of an AF_UNIX socket goes on with its name, as name_text has it. */
struct flow {
	__u64 cookie;      /* 0: the kernel has not numbered this socket */
	__u64 duration_ns; /* connect, flow_volume */
	__u64 count;       /* send: repeats folded in this record … */
	__u64 last_ns;     /* … the last of them then, the first at record.time_ns */
	__u64 sent, received;
	__u32 rtt_us;
	__u32 interface;
	__u32 backlog;
	__u32 established; /* of the state that waits in a map; nothing to user space */
	__u16 family, type, protocol;
	__u16 any_port; /* bind: the kernel has chosen the port */
	struct endpoint src, dst;
};

/* What waits for the end of a connect, or of a TCP connection: a whole record, with who did it. */
struct waiting {
	struct record record;
	struct flow flow;
};

#define S_IFSOCK 0140000
#define NAME_BYTES 108 /* sun_path */

/* An address as the task gave it, and for sends who used it where. */
struct name {
	__u64 socket;
	struct endpoint to;
	__u32 pid;
	__u32 interface;
	__u32 bytes;   /* of the AF_UNIX name behind the family in raw */
	__u8 raw[110]; /* struct sockaddr_un; of other families just the family */
	__u8 pad[6];
};

/* A value of the map of sends is a whole record. */
struct send_record {
	struct record record;
	struct flow flow;
	struct text text;
	__u8 name[NAME_BYTES];
};

_Static_assert(sizeof(struct flow) == 120, "struct flow");
_Static_assert(sizeof(struct name) == 160, "struct name");
_Static_assert(sizeof(struct send_record) == 96 + 120 + 4 + 108, "struct send_record");
