// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Which rows of a bucket may be worse than those that the hand has: all ways of it side by side,
 * because the hand looks at 48 rows for each that goes.
 */

#include <stddef.h>

#include "mr_cache_priv.h"

#define MR_CACHE_CLOCK_SKEW_TICKS 1024

#define MR_CACHE_SCORE_ELIGIBLE (1u << 31)
#define MR_CACHE_SCORE_STRANGER (1u << 30)

// In a lane: below the sign.
#define MR_CACHE_LANE_STRANGER (int32_t)(MR_CACHE_SCORE_STRANGER >> 1)
#define MR_CACHE_LANE_ELIGIBLE (int32_t)(MR_CACHE_SCORE_ELIGIBLE >> 1)

/** What the ways of a bucket are compared with. */
struct mr_cache_bar {
	uint32_t now;
	int32_t window, score;
};

static_assert(offsetof(struct mr_cache_bucket, loc) == 16 &&
		      offsetof(struct mr_cache_bucket, stamp) == 40,
	"two fields, six locs, six stamps");

// Marks the rows that may be worth to be met, from the locs and stamps of some ways: the score of
// mr_cache_evict.c for K = 2, not plain. Nor are those overlooked that are about to wrap.
#define MR_CACHE_WORTH_DEFINE(name, lanes, unsigned_lanes, attributes)                             \
	attributes static mr_always_inline lanes name(const struct mr_cache_bucket *b,             \
		unsigned loc_at, unsigned stamp_at, const struct mr_cache_bar *bar)                \
	{                                                                                          \
		lanes locs, stamps, ages, signed_ages, spreads, scores, is_stranger, is_eligible;  \
                                                                                                   \
		mr_cache_copy(&locs, (const uint8_t *)b + loc_at, sizeof(locs));                   \
		mr_cache_copy(&stamps, (const uint8_t *)b + stamp_at, sizeof(stamps));             \
		spreads = stamps & 0xffff;                                                         \
		signed_ages = (lanes)(bar->now - ((unsigned_lanes)stamps & 0xffff0000u)) >> 16;    \
		ages = signed_ages & (signed_ages > 0);                                            \
		scores = (spreads & (spreads > ages)) | (ages & (spreads <= ages));                \
		is_stranger = spreads == 0xffff;                                                   \
		scores =                                                                           \
			((ages | MR_CACHE_LANE_STRANGER) & is_stranger) | (scores & ~is_stranger); \
		is_eligible = ages > bar->window;                                                  \
		scores =                                                                           \
			((scores | MR_CACHE_LANE_ELIGIBLE) & is_eligible) | (ages & ~is_eligible); \
		return ((scores > bar->score) | (signed_ages < -MR_CACHE_CLOCK_SKEW_TICKS)) &      \
		       (locs != 0);                                                                \
	}

/** How the ways of a bucket that may be worth it are found, a bit each. */
typedef unsigned (*mr_cache_ways_fn)(
	const struct mr_cache_bucket *b, const struct mr_cache_bar *bar);

// ---- on any CPU --------------------------------------------------------------------------------

// Four ways at a time; what is wider is taken apart again where it has to be.
typedef int32_t mr_cache_lanes __attribute__((vector_size(16)));
typedef uint32_t mr_cache_unsigned_lanes __attribute__((vector_size(16)));

MR_CACHE_WORTH_DEFINE(mr_cache_worth, mr_cache_lanes, mr_cache_unsigned_lanes, )

static mr_always_inline unsigned mr_cache_pair_bits(uint64_t pair)
{
	return (unsigned)(pair & 1) | (unsigned)(pair >> 63) << 1;
}

static mr_always_inline unsigned mr_cache_ways_worth(
	const struct mr_cache_bucket *b, const struct mr_cache_bar *bar)
{
	union {
		mr_cache_lanes lanes;
		uint64_t pairs[2];
	} first, last;

	// The first of these begins two fields early.
	first.lanes = mr_cache_worth(b, 8, 32, bar);
	last.lanes = mr_cache_worth(b, 24, 48, bar);
	if (mr_likely((first.pairs[1] | last.pairs[0] | last.pairs[1]) == 0))
		return 0;
	return mr_cache_pair_bits(first.pairs[1]) | mr_cache_pair_bits(last.pairs[0]) << 2 |
	       mr_cache_pair_bits(last.pairs[1]) << 4;
}

// ---- with AVX2 ---------------------------------------------------------------------------------

#ifdef __x86_64__
#define MR_CACHE_AVX2 __attribute__((target("avx2")))

typedef int32_t mr_cache_wide __attribute__((vector_size(32)));
typedef uint32_t mr_cache_unsigned_wide __attribute__((vector_size(32)));
typedef float mr_cache_wide_floats __attribute__((vector_size(32)));

MR_CACHE_WORTH_DEFINE(mr_cache_worth_wide, mr_cache_wide, mr_cache_unsigned_wide, MR_CACHE_AVX2)

// All six at once, both beginning two fields early.
MR_CACHE_AVX2 static inline unsigned mr_cache_ways_worth_wide(
	const struct mr_cache_bucket *b, const struct mr_cache_bar *bar)
{
	mr_cache_wide worth = mr_cache_worth_wide(b, 8, 32, bar);

	return (unsigned)__builtin_ia32_movmskps256((mr_cache_wide_floats)worth) >> 2;
}
#endif
