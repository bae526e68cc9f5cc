/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy says of an access: the C twin of package verdict, whose functions have the same names. The two execute one
 * image, and must agree on every input; internal/kernel/enforcer holds them to that. */
#pragma once
#include "image.h"

/* Who asks, in one image: the subject's number, and the lists of executables that the task's own stands in, as bits. */
struct task { __u32 subject, flags, grants[8]; };

/* A decision: its number in the lower half, and what it means for the task above. Of an undecided one the address is a
 * host's that nobody has named. Zero: nothing speaks. */
typedef __u64 verdict;
#define DENIED (1ull << 32)
#define UNDECIDED (1ull << 33)

static __always_inline __u32 decision(image img, __u32 id)
{
	return word(img, HEAD(img, decisions) + (id & HEAD(img, decision_mask)));
}

static __always_inline verdict says(image img, const struct task *who, __u32 id)
{
	__u32 d = decision(img, id), grant = d >> GRANT_SHIFT & 255;
	if (!(d & DENIES) || (grant && who->grants[grant >> 5 & 7] & (1u << (grant & 31))))
		return id;
	return id | DENIED;
}

static __always_inline int unlisted(image img, verdict v) { return !!(decision(img, (__u32)v) & UNLISTED); }

/* Two decisions that must both permit. */
static __always_inline verdict both(image img, verdict a, verdict b)
{
	if (a & b & DENIED)
		return unlisted(img, a) && !unlisted(img, b) ? b : a;
	return a & DENIED || (__u32)b == NO_DECISION ? a : b;
}

/* The decision that has precedence within one table. */
static __always_inline __u32 first(__u32 a, __u32 b)
{
	return a == NO_DECISION || (b != NO_DECISION && b < a) ? b : a;
}

/* Decisions whose numbers compare: a denial, or else what has precedence. */
static __always_inline verdict stricter(verdict a, verdict b)
{
	if ((a ^ b) & DENIED)
		return a & DENIED ? a : b;
	return first(a, b) | (a & DENIED);
}

/* What the table at a place says of a text. */
static __always_inline verdict judge_table(__u32 slot, image img, const struct task *who, const struct scratch *t, __u32 table)
{
	if (t->too_long)
		return says(img, who, FIELD(img, table, table, too_long));
	__u32 best = match_all(slot, t, FIELD(img, table, table, first), FIELD(img, table, table, count));
	return says(img, who, best == NONE ? FIELD(img, table, table, miss) : FIELD(img, table, table, base) + best);
}

/* Where the table of a class stands, for a subject at a place. */
static __always_inline __u32 class_table(__u32 subject, enum class class)
{
	return subject + (__builtin_offsetof(struct subject, paths) + class * sizeof(struct table)) / 4;
}

/* Starting the program of that name. */
__noinline verdict judge_program(__u32 slot, const struct task *who, const struct scratch *t)
{
	image img = image_of(slot);
	if (!img || !who || !t)
		return NO_DECISION;
	verdict host = judge_table(slot, img, who, t, PLACE(exec));
	return both(img, host, judge_table(slot, img, who, t, class_table(subject_at(img, who->subject), CLASS_EXEC)));
}

/* Using the file of that name: letters are 1 for reading, 2 for writing, 4 for mapping as executable. Each is judged by
 * itself, because different rules may allow them. */
__noinline verdict judge_file(__u32 slot, const struct task *who, const struct scratch *t, __u32 letters)
{
	verdict host = NO_DECISION, own = NO_DECISION;
	image img = image_of(slot);
	if (!img || !who || !t)
		return NO_DECISION;
	__u32 subject = subject_at(img, who->subject);
	if (letters & 1) {
		host = judge_table(slot, img, who, t, PLACE(read));
		own = judge_table(slot, img, who, t, class_table(subject, CLASS_READ));
	}
	if (letters & 2) {
		host = both(img, host, judge_table(slot, img, who, t, PLACE(write)));
		own = stricter(own, judge_table(slot, img, who, t, class_table(subject, CLASS_WRITE)));
	}
	if (letters & 4)
		own = stricter(own, judge_table(slot, img, who, t, class_table(subject, CLASS_MAP)));
	return both(img, host, own);
}

/* Connecting to the UNIX socket of that name; those of abstract ones begin with @. */
__noinline verdict judge_unix(__u32 slot, const struct task *who, const struct scratch *t)
{
	image img = image_of(slot);
	if (!img || !who || !t)
		return NO_DECISION;
	return judge_table(slot, img, who, t, class_table(subject_at(img, who->subject), CLASS_UNIX));
}

/* What the host says of a text, whoever asks: of what is mounted, of a device's path, of a module's name. */
enum host_table { HOST_MOUNT, HOST_DEVICE, HOST_MODULE };
__noinline verdict judge_host(__u32 slot, const struct task *who, const struct scratch *t, enum host_table which)
{
	image img = image_of(slot);
	if (!img || !who || !t)
		return NO_DECISION;
	__u32 table = which == HOST_MOUNT ? PLACE(mount) : which == HOST_DEVICE ? PLACE(device) : PLACE(module);
	return judge_table(slot, img, who, t, table);
}

enum protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_OTHER };

/* An address in the order of the network, IPv4 in the upper half of high alone; see normal_address. */
struct address { __u64 high, low; __u32 halves; __u16 port; __u16 protocol; };

/* Mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96) addresses are the IPv4 addresses in them. */
static __always_inline void normal_address(struct address *a)
{
	if (a->halves == 32 && ((!a->high && a->low >> 32 == 0xffff) || (a->high == 0x0064ff9b00000000ull && !(a->low >> 32)))) {
		a->high = a->low << 32;
		a->low = 0;
		a->halves = 8;
	}
}

/* What a range of ports says of one: they are sorted by protocol and number. */
static __always_inline __u32 judge_port(image img, __u32 first, __u32 count, const struct address *a)
{
	__u32 key = (__u32)a->protocol << 16 | a->port, ports = HEAD(img, ports);
	for (int i = 0; i < 18 && count; i++) {
		__u32 half = count / 2, at = ports + (first + half) * (sizeof(struct port) / 4);
		if (FIELD(img, at, port, last) < key) {
			first += half + 1;
			count -= half + 1;
		} else if (FIELD(img, at, port, first) > key) {
			count = half;
		} else {
			return FIELD(img, at, port, decision);
		}
	}
	return NO_DECISION;
}

static __always_inline __u32 judge_range(image img, __u32 number, const struct address *a)
{
	__u32 at = HEAD(img, ranges) + 2 * number;
	return judge_port(img, word(img, at), word(img, at + 1), a);
}

/* Reaching, or using as one's own, an address without a known name. names is the number of a range of ports that a lease
 * says of it, or NONE. */
__noinline verdict judge_network(__u32 slot, const struct task *who, const struct address *a, __u32 number, __u32 names)
{
	image img = image_of(slot);
	if (!img || !who || !a)
		return NO_DECISION;
	if (number == NONE)
		return NO_DECISION;
	__u32 at = HEAD(img, networks) + number * (sizeof(struct network) / 4);
	__u32 value = match_address(img, a->halves == 8 ? FIELD(img, at, network, v4) : FIELD(img, at, network, v6), a->high, a->low, a->halves);
	__u32 id = value == NONE ? NO_DECISION : judge_range(img, value, a);
	if (names != NONE)
		id = first(id, judge_range(img, names, a));
	if (id != NO_DECISION)
		return says(img, who, id);
	verdict miss = says(img, who, FIELD(img, at, network, miss));
	if (miss & DENIED && names == NONE) {
		__u32 by = judge_port(img, FIELD(img, at, network, unnamed.first), FIELD(img, at, network, unnamed.count), a);
		if (by != NO_DECISION)
			return by | UNDECIDED;
	}
	return miss;
}

/* Reaching an address: by the entry's networks, or else by what the host says of the metadata address. */
static __always_inline verdict judge_peer(__u32 slot, image img, const struct task *who, const struct address *a, __u32 names)
{
	__u32 peers = FIELD(img, subject_at(img, who->subject), subject, peers);
	return judge_network(slot, who, a, peers == NONE ? HEAD(img, metadata) : peers, names);
}

static __always_inline verdict judge_local(__u32 slot, image img, const struct task *who, const struct address *a)
{
	return judge_network(slot, who, a, FIELD(img, subject_at(img, who->subject), subject, listen), NONE);
}

/* A socket below IP. */
static __always_inline verdict judge_packet(image img, const struct task *who)
{
	return says(img, who, FIELD(img, subject_at(img, who->subject), subject, packet));
}

/* A system call by its number and table. */
static __always_inline verdict judge_syscall(image img, const struct task *who, __u32 number, int i386)
{
	__u32 table = FIELD(img, subject_at(img, who->subject), subject, syscalls);
	if (table == NONE)
		return NO_DECISION;
	__u32 at = HEAD(img, syscalls) + table * (sizeof(struct syscalls) / 4);
	if (i386)
		return says(img, who, number < 512 ? FIELD(img, at + number, syscalls, i386[0]) : FIELD(img, at, syscalls, miss));
	number &= ~0x40000000u; /* x32's */
	return says(img, who, number < 548 ? word(img, at + number) : FIELD(img, at, syscalls, miss));
}

static __always_inline verdict judge_capability(image img, const struct task *who, __u32 number)
{
	__u32 table = FIELD(img, subject_at(img, who->subject), subject, capabilities);
	if (table == NONE || number >= 64)
		return NO_DECISION;
	return says(img, who, word(img, HEAD(img, capabilities) + table * 64 + number));
}

/* Reaching into another task. Within one subject it is nobody's business. guard is where the target's stands. */
static __always_inline verdict judge_guard(image img, const struct task *who, __u32 target, __u32 guard)
{
	__u32 low = word(img, guard), count = word(img, guard + 1), id = word(img, guard + 2), members = HEAD(img, members);
	if (who->subject == target)
		return id;
	for (int i = 0; i < 17 && count; i++) {
		__u32 half = count / 2, member = word(img, members + low + half);
		if (member == who->subject)
			return id;
		if (member < who->subject) {
			low += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return says(img, who, id);
}

static __always_inline verdict judge_signal(image img, const struct task *who, __u32 target)
{
	return judge_guard(img, who, target, subject_at(img, target) + __builtin_offsetof(struct subject, signals) / 4);
}

static __always_inline verdict judge_ptrace(image img, const struct task *who, __u32 target)
{
	return judge_guard(img, who, target, subject_at(img, target) + __builtin_offsetof(struct subject, ptrace) / 4);
}

/* An option of prctl: they are sorted. */
static __always_inline verdict judge_prctl(image img, const struct task *who, __u32 option)
{
	__u32 at = HEAD(img, prctl.first), count = HEAD(img, prctl.count);
	for (int i = 0; i < 8 && count; i++) {
		__u32 half = count / 2, here = word(img, at + 2 * half);
		if (here == option)
			return says(img, who, word(img, at + 2 * half + 1));
		if (here < option) {
			at += 2 * (half + 1);
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return NO_DECISION;
}
