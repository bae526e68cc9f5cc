/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A compiled policy as package policy/layout writes it, and how it is read: one array of words, which the loader publishes
 * whole and never changes. Every index is masked, so nothing that stands in an image can lead out of it. */
#pragma once
#include "kernel.h"

#define CLASSES 5
enum class { CLASS_EXEC, CLASS_READ, CLASS_WRITE, CLASS_MAP, CLASS_UNIX };
enum subject_flag { SUBJECT_ENFORCES = 1, SUBJECT_INHERITS = 2, SUBJECT_CONTAINED = 4 };
enum claim_flag { CLAIM_USERS = 1, CLAIM_SHA256 = 2 };

/* What rules ask about; layout.Ask… */
enum ask {
	ASK_EXEC = 1 << 0, ASK_READ = 1 << 1, ASK_WRITE = 1 << 2, ASK_MAP = 1 << 3, ASK_UNIX = 1 << 4, ASK_PEERS = 1 << 5, ASK_LISTEN = 1 << 6,
	ASK_PACKET = 1 << 7, ASK_SYSCALL = 1 << 8, ASK_CAPABILITY = 1 << 9, ASK_NO_SUDO = 1 << 10, ASK_SIGNAL = 1 << 11, ASK_PTRACE = 1 << 12,
	ASK_PROCESSES = 1 << 13, ASK_DEVICE = 1 << 14, ASK_MOUNT = 1 << 15, ASK_MODULE = 1 << 16, ASK_BPF = 1 << 17, ASK_SETTIME = 1 << 18,
	ASK_KEYRING = 1 << 19, ASK_IO_URING = 1 << 20, ASK_PRCTL = 1 << 21, ASK_METADATA = 1 << 22, ASK_IDENTITY = 1 << 23,
	ASK_SYSCALL_KILL = 1 << 24,
};

struct range { __u32 first, count; };
struct table { __u32 first, count, base, miss, too_long; };
struct condition { __u32 present; struct table table; };
struct guard { __u32 first, count, decision; };
struct limit { __u32 value, decision; };
struct head {
	__u32 magic, words, generation, digest[8], host_asks, any_asks;
	__u32 subjects, subject_count, decisions, decision_mask, automata;
	__u32 networks, ranges, ports, members, syscalls, capabilities, actor_sets, claims, stable, stable_mask;
	__u32 bpf, settime, keyring, io_uring;
	struct range prctl;
	__u32 metadata;
	struct table actors, exec, read, write, device, mount, module;
};
struct subject {
	__u32 stable, flags, asks;
	struct table paths[CLASSES];
	__u32 peers, listen, packet, syscalls, capabilities, no_sudo;
	struct guard signals, ptrace;
	struct limit processes;
};
struct automaton { __u32 start, final, reverse, cells, classes, pad; };
struct network { __u32 v4, v6, miss; struct range unnamed; struct table hosts; __u32 names; };
struct port { __u32 first, last, decision; };
struct actor_set { __u32 grants[8]; struct range claims; };
struct claim { __u32 subject, flags; struct range users, sha256; struct condition name, unit, cgroup, container; };
struct syscalls { __u32 amd64[548], i386[512], miss; };

#define NONE 0xffffffffu
#define NO_DECISION 0
#define DENIES 1
#define UNLISTED 2
#define GRANT_SHIFT 8

/* Set at load: the number of words of a slot, a power of two, less one. */
const volatile __u32 image_mask = 0xffff;

/* The images: as many slots as a change needs (active, confirmed, building). The inner map has one value, the words. Only
 * the loader writes, and only slots that no program can be reading. */
#define IMAGES 3
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, IMAGES);
	__type(key, __u32);
	__array(values, struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4 << 16); });
} images SEC(".maps");

/* Which slot is in force: one store changes it for every hook. A program reads it once. */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } active SEC(".maps");

/* A pointer into an image. */
typedef const void *image;

static __always_inline __u32 word(image img, __u32 i) { return ((const __u32 *)img)[i & image_mask]; }
static __always_inline __u8 byte(image img, __u32 i) { return ((const __u8 *)img)[i & (image_mask << 2 | 3)]; }
static __always_inline __u64 cell(image img, __u32 i) { return ((const __u64 *)img)[i & (image_mask >> 1)]; }

/* A field of a structure at a place. */
#define FIELD(img, at, type, field) word(img, (at) + __builtin_offsetof(struct type, field) / 4)
#define HEAD(img, field) (((const struct head *)(img))->field)
/* Where a field of the head stands. */
#define PLACE(field) (__builtin_offsetof(struct head, field) / 4)

/* The image of a slot. A run of a program may ask again and gets the same: after a flip the loader waits for all runs that
 * began before, and only then writes into the slot that was left. */
static __always_inline image image_of(__u32 slot)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&images, &slot);
	return inner ? bpf_map_lookup_elem(inner, &zero) : 0;
}

/* Where a subject stands; a number that the image does not have is the default one's. */
static __always_inline __u32 subject_at(image img, __u32 number)
{
	if (number >= HEAD(img, subject_count))
		number = 0;
	return HEAD(img, subjects) + number * (sizeof(struct subject) / 4);
}

/* The subject of a stable number. */
static __always_inline __u32 subject_of(image img, __u32 stable)
{
	__u32 mask = HEAD(img, stable_mask), table = HEAD(img, stable), at = stable;
	for (int i = 0; i < 32; i++, at++) { /* runs are short: the table is half empty */
		__u32 pair = table + 2 * (at & mask), number = word(img, pair + 1);
		if (!number)
			break;
		if (word(img, pair) == stable)
			return number - 1;
	}
	return 0;
}

/* ---- texts and automata ---- */

#define TEXT_END 4096   /* texts end here, and begin where their length says */
#define NAME_MAX 1024   /* how far beyond its place what is put in front may be written, as far as the verifier can tell */
#define CHUNK 64

/* Memory to resolve and match names in. It belongs to the task: programs can be preempted. */
struct scratch {
	__u32 from;    /* where the text begins; it ends at TEXT_END */
	__u32 too_long;
	__u8 text[TEXT_END + NAME_MAX + 8];
};

/* The next state of an automaton: the cell of the class if that is the state's, else the state's own. Both are loaded and one is
 * chosen without a branch: the verifier would follow either way of each byte. */
static __always_inline __u32 next_state(image img, __u32 cells, __u32 s, __u32 class)
{
	__u64 entry = cell(img, cells + s + class), other = cell(img, cells + s);
	__u64 differ = (__u32)entry ^ s;
	__u64 take = -((differ - 1) >> 63); /* all ones where they do not */
	asm volatile("" : "+r"(take)); /* or the compiler finds the branch again */
	return (other ^ ((other ^ entry) & take)) >> 32;
}

/* One automaton on its way through a text. Nothing leads out of a final state, so it is enough to look for one now and then. */
struct walker {
	image img;
	const struct scratch *text;
	__u32 first, step, bytes; /* the first byte, which way to the next, and how many there are */
	__u32 state, final, cells, classes;
};

/* One chunk. It changes nothing of the walker but its state: of anything that it counted down, the verifier would follow every
 * value. */
static long walk_chunk(__u32 i, struct walker *w)
{
	image img = w->img;
	const struct scratch *t = w->text;
	__u32 done = i * CHUNK, at = w->first + w->step * done, left = w->bytes - done, s = w->state, cells = w->cells, classes = w->classes;
	for (__u32 n = 0; n < CHUNK; n++) {
		if (n >= left)
			break;
		s = next_state(img, cells, s, byte(img, classes + t->text[at & (TEXT_END - 1)]));
		at += w->step;
	}
	w->state = s;
	return s < w->final;
}

/* The value of the text in one automaton, or NONE. Like all functions here that are not static it is verified by itself, once,
 * and so knows the image by its slot: see image_of. */
__noinline __u32 match(__u32 slot, const struct scratch *t, __u32 number)
{
	image img = image_of(slot);
	if (!img || !t)
		return NONE;
	__u32 at = HEAD(img, automata) + number * (sizeof(struct automaton) / 4), reverse = FIELD(img, at, automaton, reverse);
	struct walker w = {
		.img = img, .text = t, .bytes = TEXT_END - t->from, .first = reverse ? TEXT_END - 1 : t->from, .step = 1 - 2 * reverse,
		.state = FIELD(img, at, automaton, start), .final = FIELD(img, at, automaton, final), .cells = FIELD(img, at, automaton, cells), .classes = FIELD(img, at, automaton, classes),
	};
	bpf_loop((w.bytes + CHUNK - 1) / CHUNK, walk_chunk, &w, 0);
	return cell(img, w.cells + w.state);
}

/* The smallest value of the text among automata, or NONE. */
static __always_inline __u32 match_all(__u32 slot, const struct scratch *t, __u32 first, __u32 count)
{
	__u32 best = NONE;
	for (__u32 i = 0; i < 8 && i < count; i++) {
		__u32 v = match(slot, t, first + i);
		if (v < best)
			best = v;
	}
	return best;
}

/* The value of an address among prefixes, or NONE: an automaton over its half-bytes, the first of them on top of high. */
static __always_inline __u32 match_address(image img, __u32 number, __u64 high, __u64 low, __u32 halves)
{
	if (number == NONE)
		return NONE;
	__u32 at = HEAD(img, automata) + number * (sizeof(struct automaton) / 4);
	__u32 s = FIELD(img, at, automaton, start), final = FIELD(img, at, automaton, final);
	__u32 cells = FIELD(img, at, automaton, cells), classes = FIELD(img, at, automaton, classes);
	for (__u32 i = 0; i < 32; i++) {
		if (i >= halves || s < final)
			break;
		__u32 half = (i < 16 ? high : low) >> (60 - 4 * (i & 15)) & 15;
		s = next_state(img, cells, s, byte(img, classes + half));
	}
	return (__u32)cell(img, cells + s);
}
