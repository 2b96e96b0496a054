// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Streams of row numbers: uniform, or Zipf 0.99 by the method of Gray et al. (SIGMOD 1994) with
 * ranks scattered over the rows. Streams never repeat: a bench that reads the same few million keys
 * again and again measures the last-level cache.
 */

#include "mr_rng.h"

enum bench_skew {
	BENCH_UNIFORM,
	BENCH_ZIPF,
};

/** One thread's. */
struct bench_keys {
	enum bench_skew skew;
	uint64_t first, n; //!< rows [first, first + n)
	struct mr_rng rng;
	double zeta, two, eta;
};

/** Takes up to a second for Zipf. */
void bench_keys_init(
	struct bench_keys *keys, enum bench_skew skew, uint64_t first, uint64_t n, uint64_t seed);

uint64_t bench_keys_zipf(struct bench_keys *keys);

static inline uint64_t bench_keys_next(struct bench_keys *keys)
{
	if (keys->skew == BENCH_ZIPF)
		return bench_keys_zipf(keys);
	return keys->first + mr_rng_below(&keys->rng, keys->n);
}
