// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A seeded generator for tests, benches and jitter: splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
 * Not for secrets. Owner: the caller; not thread-safe.
 */

#include "mr_cc.h"

struct mr_rng {
	uint64_t state;
};

static inline uint64_t mr_rng_next(struct mr_rng *rng)
{
	uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/** Uniform in [0, n) by multiply-shift; n > 0. The bias is below n / 2^64. */
static inline uint64_t mr_rng_below(struct mr_rng *rng, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)mr_rng_next(rng) * n) >> 64);
}

/** Uniform in [0, 1). */
static inline double mr_rng_unit(struct mr_rng *rng)
{
	return (double)(mr_rng_next(rng) >> 11) * 0x1.0p-53;
}
