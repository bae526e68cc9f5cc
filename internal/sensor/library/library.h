/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the library sensor's records hold after struct record. */
#pragma once

enum operation { BY_MMAP = 1, BY_MPROTECT, BY_PKEY_MPROTECT, BY_SHMAT };

/* Memory that may now be executed. Then the mapped file's path, or an absent string. */
struct mapping {
	struct object object; /* zero where no file is mapped */
	__u64 bytes;          /* as asked for; of shmat the segment's */
	__u32 protection;     /* PROT_… */
	__u32 operation;
};

_Static_assert(sizeof(struct mapping) == 40, "struct mapping");
