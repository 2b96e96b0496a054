// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Who may ask, who has to prove that its address is its own, who may write, and how often: the
 * appliance's policy, and the decision for each datagram.
 *
 * A policy (struct mr_guard) never changes: control builds a new one for every reload and every
 * turn of the cookie secrets, publishes it by pointer and frees the old one once every lcore has
 * passed a quiescent state (mr_env.h). What an lcore remembers between datagrams (struct
 * mr_guard_lcore) is its own.
 *
 *     source address -> class (refused | allowed | trusted; may it write; its limit)
 *         refused                  dropped and counted
 *         allowed, valid cookie    proven: anything goes
 *         allowed, no valid cookie unproven: HELLO is answered, the rest gets COOKIE_NEEDED
 *         trusted                  proven without a cookie
 *
 * A cookie is 1 byte of the period it was issued in, 1 byte of the HELLO's nonce, and 6 bytes of
 * SipHash-2-4 over (address, period, nonce byte) under a secret of the period that is derived from
 * a master secret: nothing is stored, appliances with the same master accept each other's cookies,
 * and the secret turns by itself. Cookies of this period and the one before are valid, under either
 * of two masters. The check's outcome is kept in a small direct-mapped table by (address, cookie),
 * bound to the policy's generation, so that a client's second datagram costs one line instead of a
 * hash.
 *
 * Limits are GCRA (the leaky bucket as a virtual schedule, ITU-T I.371): one u64 of state, two
 * additions and a comparison. Each lcore has its share of a prefix's rate.
 *
 * Cost: 3 ns for a sender that this lcore knows; about 40 ns for one that it does not.
 */

#include <stdbool.h>

#include "mr_cc.h"
#include "mr_err.h"
#include "mr_prefix.h"
#include "mr_siphash.h"
#include "mr_wire_keys.h"

#define MR_GUARD_LIMITS_MAX 64u
#define MR_GUARD_KNOWN 4096u //!< senders that an lcore remembers; a power of two
#define MR_GUARD_WARNINGS_MAX 8u

/** Class of a source address: these bits, and the number of its limit above them. */
#define MR_GUARD_ALLOWED 0x01u
#define MR_GUARD_TRUSTED 0x02u
#define MR_GUARD_WRITE 0x04u
#define MR_GUARD_PROVEN 0x08u //!< of one datagram: trusted, or its cookie is valid
#define MR_GUARD_LIMIT_SHIFT 8u

typedef uint32_t mr_guard_class_t;

/** What a policy is made of. Texts are lists of prefixes (mr_prefix.h); NULL is empty. */
struct mr_guard_params {
	const char *allow;   //!< may ask
	const char *trusted; //!< may ask, and need no cookie
	const char *refuse;  //!< may not, though inside one of those: the longest prefix decides
	const char *writers; //!< may write; empty: all that may ask, if there are MAC keys
	const char *limits;  //!< with requests per second each
	uint64_t limit_burst_us; //!< how much of a rate may come at once
	bool limit_dry_run;      //!< only count what would have been dropped
	bool unsafe;             //!< accept what is refused as insecure
	uint64_t unproven_rate;  //!< answers per second to addresses that have proved nothing
	uint64_t rotation_us;    //!< a secret issues cookies for so long, and checks twice as long
	unsigned n_shares;       //!< RX lcores
	uint64_t tsc_hz;
	uint64_t now_us;                 //!< since the epoch: says which period it is
	uint64_t generation;             //!< another one for each policy; from 1
	const struct mr_wire_keys *keys; //!< at least one cookie secret; copied
};

/** A rate as GCRA wants it, in sixteenths of a TSC cycle. */
struct mr_guard_limit {
	uint64_t cost, burst;
};

/** Everything is read-only. */
struct mr_guard {
	uint64_t generation;
	bool dry_run, macs_needed;
	struct mr_guard_limit unproven;
	struct mr_guard_limit limits[MR_GUARD_LIMITS_MAX + 1]; //!< by number; 0: none

	// Cookies.
	uint64_t period, rotation_us;
	unsigned n_secrets;
	struct mr_siphash_key secrets[2 * MR_WIRE_SECRETS_MAX]; //!< this period's, then the last's

	unsigned n_mac;
	struct mr_wire_mac_key mac[MR_WIRE_MAC_KEYS_MAX];

	// Disjoint ranges that cover all addresses: range i is [starts[i], starts[i + 1]).
	unsigned n_ranges;
	mr_guard_class_t *classes;
	mr_address_t *starts;

	unsigned n_warnings;
	char warnings[MR_GUARD_WARNINGS_MAX][256]; //!< to be told loudly at start
};

/** A sender that an lcore knows. */
struct mr_guard_known {
	mr_address_t address;
	uint64_t cookie;
	uint32_t generation; //!< low bits; 0: nobody
	mr_guard_class_t class;
};
static_assert(sizeof(struct mr_guard_known) == 32, "two to a cache line");

/** What one lcore remembers. Zero-initialised; owner: the lcore. */
struct mr_guard_lcore {
	uint64_t generation; //!< of the policy that `due` belongs to
	uint64_t unproven_due;
	uint64_t due[MR_GUARD_LIMITS_MAX + 1]; //!< GCRA: when the next request is due
	struct mr_guard_known known[MR_GUARD_KNOWN] mr_cache_aligned;
};

/**
 * Builds a policy. Combinations that are insecure by accident are refused with a message that says
 * which and what to do (docs/security.md lists them); params.unsafe makes warnings of them.
 *
 * @return the policy, for mr_guard_free(), or NULL with errno (EINVAL, ENOMEM) and a message.
 */
struct mr_guard *mr_guard_create(const struct mr_guard_params *params, struct mr_err *err);

/** Wipes and frees a policy that no lcore uses any more. NULL is allowed. */
void mr_guard_free(struct mr_guard *guard);

/** Has the period of the policy's cookies passed, so that a new policy is due? */
bool mr_guard_is_old(const struct mr_guard *guard, uint64_t now_us);

/** What is in force, a line each, for --check and the log. @return length as snprintf does. */
int mr_guard_describe(const struct mr_guard *guard, char *text, size_t text_bytes);

/** Class of an address, by binary search. */
mr_guard_class_t mr_guard_classify(const struct mr_guard *guard, mr_address_t address);

/** A cookie for an address; never 0. */
uint64_t mr_guard_cookie(const struct mr_guard *guard, mr_address_t address, uint64_t nonce);

/** For how long a cookie issued now is valid; at least 1. */
uint32_t mr_guard_cookie_valid_s(const struct mr_guard *guard, uint64_t now_us);

/** Did we issue this cookie to this address, this period or the last? */
bool mr_guard_cookie_holds(const struct mr_guard *guard, mr_address_t address, uint64_t cookie);

/** Out-of-line part of mr_guard_admit(): a sender that the lcore does not know. */
mr_guard_class_t mr_guard_admit_stranger(const struct mr_guard *guard, struct mr_guard_lcore *lcore,
	mr_address_t address, uint64_t cookie);

static mr_always_inline unsigned mr_guard_slot(mr_address_t address)
{
	uint64_t mixed =
		((uint64_t)address ^ (uint64_t)(address >> 64)) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned)(mixed >> 32) & (MR_GUARD_KNOWN - 1);
}

/**
 * Decides about a datagram's sender.
 * @param cookie
 *   From the request header; 0 where the datagram is too short to have one.
 * @return
 *   0: refused; else its class, with MR_GUARD_PROVEN or without.
 */
static mr_always_inline mr_guard_class_t mr_guard_admit(const struct mr_guard *guard,
	struct mr_guard_lcore *lcore, mr_address_t address, uint64_t cookie)
{
	const struct mr_guard_known *known = &lcore->known[mr_guard_slot(address)];

	if (mr_likely(known->address == address && known->cookie == cookie &&
		      known->generation == (uint32_t)guard->generation))
		return known->class;
	return mr_guard_admit_stranger(guard, lcore, address, cookie);
}

/** Takes one from a limit. @return false: none is left. */
static mr_always_inline bool mr_guard_take(
	uint64_t *due, const struct mr_guard_limit *limit, uint64_t tsc)
{
	uint64_t now = tsc << 4, at = MR_MAX(*due, now);

	if (mr_unlikely(at - now > limit->burst))
		return false;
	*due = at + limit->cost;
	return true;
}

/** Forgets the limits' state of an older policy. Once a burst. */
static mr_always_inline void mr_guard_begin(
	const struct mr_guard *guard, struct mr_guard_lcore *lcore)
{
	if (mr_likely(lcore->generation == guard->generation))
		return;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(lcore->due); i++)
		lcore->due[i] = 0;
	lcore->unproven_due = 0;
	lcore->generation = guard->generation;
}

/** Is the request within the limit of its sender's prefix? */
static mr_always_inline bool mr_guard_within(const struct mr_guard *guard,
	struct mr_guard_lcore *lcore, mr_guard_class_t class, uint64_t tsc)
{
	unsigned limit = class >> MR_GUARD_LIMIT_SHIFT;

	return mr_likely(limit == 0) ||
	       mr_guard_take(&lcore->due[limit], &guard->limits[limit], tsc);
}

/** May one more address that has proved nothing be answered? */
static mr_always_inline bool mr_guard_within_unproven(
	const struct mr_guard *guard, struct mr_guard_lcore *lcore, uint64_t tsc)
{
	return mr_guard_take(&lcore->unproven_due, &guard->unproven, tsc);
}
