// SPDX-License-Identifier: BSD-3-Clause
//
// Rates: what a filter of a given size can be expected to answer wrongly.
#include "mr_bloom_inline.h"

#include <math.h>

#define BLOCK_BITS (MR_BLOOM_WORDS * 64.0)

// From here on every bit of every block is set, to the precision of a double.
#define KEYS_PER_BLOCK_FULL 4096.0

// Chance that the bits of an absent key are all set in a block that took in this many keys.
static double fpr_of_load(double keys)
{
	return pow(-expm1(keys * log1p(-1.0 / 64)), MR_BLOOM_WORDS);
}

double mr_bloom_fpr_at(double keys_per_block)
{
	double mean = keys_per_block, log_p = -mean, sum = 0.0;
	unsigned last;

	if (!(mean < KEYS_PER_BLOCK_FULL))
		return 1.0;
	if (mean <= 0.0)
		return 0.0;
	// Twelve deviations: what lies beyond is below 1e-30 of the whole.
	last = (unsigned)(mean + 12 * sqrt(mean)) + 32;
	// Logarithms, as exp(-mean) alone underflows from a mean of 745 on.
	for (unsigned keys = 1; keys <= last; keys++) {
		log_p += log(mean / keys);
		sum += exp(log_p) * fpr_of_load(keys);
	}
	return MR_MIN(sum, 1.0);
}

double mr_bloom_fpr(double bits_per_key)
{
	return bits_per_key > 0.0 ? mr_bloom_fpr_at(BLOCK_BITS / bits_per_key) : 1.0;
}

double mr_bloom_keys_per_block(double fpr)
{
	double low = 0.0, high = KEYS_PER_BLOCK_FULL;

	// The rate grows with the load; 50 halvings settle it to a part in 1e11.
	for (unsigned i = 0; i < 50; i++) {
		double mid = (low + high) / 2;

		if (mr_bloom_fpr_at(mid) <= fpr)
			low = mid;
		else
			high = mid;
	}
	return low;
}
