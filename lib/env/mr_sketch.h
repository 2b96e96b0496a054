// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Who asks most: a space-saving sketch (Metwally, Agrawal, El Abbadi, 2005) of bounded memory. What
 * was added at least total / MR_SKETCH_PLACES times is in it for certain; a count is never too
 * small, and too large by `error` at most.
 *
 * Owner: one lcore, which adds; any thread copies it out under a seqlock. Cost of an addition: a
 * search of MR_SKETCH_PLACES keys, some 100 ns, so callers add a sample.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "mr_cc.h"

#define MR_SKETCH_PLACES 128u

struct mr_sketch_entry {
	uint64_t key;
	uint64_t count;
	uint64_t error; //!< count was this when the key took another's place
	uint32_t tag;   //!< the rest of the key
};

struct mr_sketch {
	_Atomic uint32_t seq; //!< odd while being written
	uint32_t n;
	uint64_t total;
	struct mr_sketch_entry at[MR_SKETCH_PLACES];
};

/** Adds one. Owner's thread. A zeroed sketch is an empty one. */
void mr_sketch_add(struct mr_sketch *sketch, uint64_t key, uint32_t tag);

/** Copies it out. Any thread. @return false: it changed too often meanwhile. */
bool mr_sketch_read(const struct mr_sketch *sketch, struct mr_sketch *ret_copy);

/** What a key that is not in it may have been counted at most. */
uint64_t mr_sketch_least(const struct mr_sketch *copy);
