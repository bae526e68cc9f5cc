/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the syscall sensor's records hold after struct record. */
#pragma once

/* The tables of calls that the kernel serves. */
enum table { TABLE_AMD64 = 0, TABLE_I386, TABLES };

struct first_call {
	__u32 number;
	__u32 table;
};
