// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Probing the tiers in memory: a burst of (key, set) lookups against cache and Bloom filter, with
 * prefetch between the steps. RX and I/O lcores both do this, each with a struct mr_probe of its
 * own. Cost: about two random line reads and a row's lines for each lookup, overlapped.
 */

#include "mr_cache_inline.h"
#include "mr_tiers.h"
#include "mr_wire.h"

/** Lookups that one request can make. */
#define MR_LOOKUPS_MAX (MR_WIRE_KEYS_MAX * MR_WIRE_SETS_MAX)

/** Lookups that a probe holds: a group that is nearly full, and then the largest request. */
#define MR_PROBE_GROUP_MAX 256u
#define MR_PROBE_MAX (MR_PROBE_GROUP_MAX + MR_LOOKUPS_MAX)

enum mr_outcome {
	MR_OUTCOME_MISS,     //!< not in memory: the store knows
	MR_OUTCOME_HIT,      //!< ref is set, to be copied and validated
	MR_OUTCOME_NEGATIVE, //!< certainly absent
	MR_OUTCOME_BAD_KEY,  //!< not a key of this set: not looked up
	MR_OUTCOME_COUNT,
};

/** One (key, set) of a request. */
struct mr_lookup {
	const uint8_t *key;
	const struct mr_view_part *part;
	union {
		struct mr_cache_ref ref;     //!< of a hit
		struct mr_cache_asked asked; //!< before that
	};
	mr_space_t space;
	uint8_t key_bytes;
	uint8_t outcome;
};

static_assert(sizeof(struct mr_lookup) == MR_CACHE_LINE_BYTES, "a line each");

/** An lcore's scratch for a burst of lookups. Owner: the lcore. */
struct mr_probe {
	unsigned n;
	int absent_lead; //!< more than 0: lately the cache lacked more lookups than it had
	uint64_t hashes[MR_PROBE_MAX];
	struct mr_lookup lookups[MR_PROBE_MAX];
};

/**
 * Adds the lookups of a valid GET: for each key, one per set of the view, in reply order. The
 * caller has seen to it that they fit.
 * @param keys
 *   Where the request's keys lie: req->keys, or a copy of them that outlives the reply's writing.
 */
void mr_probe_add(struct mr_probe *probe, const struct mr_wire_request *req,
	const struct mr_view *view, const uint8_t *keys);

/** Looks lookups [first, end) up. Sets outcome, and ref of hits; bad keys are left alone. */
void mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node,
	uint64_t now_ticks);

/** Looks one hit up again after its row was found torn. @return true: ref is set anew. */
bool mr_probe_again(struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks);
