// SPDX-License-Identifier: BSD-3-Clause
#include "bench_keys.h"

#include <math.h>

#define THETA 0.99
#define EXACT_RANKS 1000000u         // zeta's tail behind them is integrated
#define SCATTER UINT64_C(2654435761) // a prime: ranks become rows one to one

static double zeta(uint64_t n)
{
	uint64_t exact = MR_MIN(n, EXACT_RANKS);
	double sum = 0;

	for (uint64_t i = 1; i <= exact; i++)
		sum += pow(1 / (double)i, THETA);
	if (n > exact)
		sum += (pow((double)n + 0.5, 1 - THETA) - pow((double)exact + 0.5, 1 - THETA)) /
		       (1 - THETA);
	return sum;
}

void bench_keys_init(
	struct bench_keys *keys, enum bench_skew skew, uint64_t first, uint64_t n, uint64_t seed)
{
	*keys = (struct bench_keys){.skew = skew, .first = first, .n = n, .rng = {seed}};
	if (skew != BENCH_ZIPF)
		return;
	keys->two = 1 + pow(0.5, THETA);
	keys->zeta = zeta(n);
	keys->eta = (1 - pow(2 / (double)n, 1 - THETA)) / (1 - keys->two / keys->zeta);
}

uint64_t bench_keys_zipf(struct bench_keys *keys)
{
	double u = mr_rng_unit(&keys->rng), uz = u * keys->zeta;
	uint64_t rank = 0;

	if (uz >= keys->two)
		rank = (uint64_t)((double)keys->n *
				  pow(keys->eta * u - keys->eta + 1, 1 / (1 - THETA)));
	else if (uz >= 1)
		rank = 1;
	return keys->first + MR_MIN(rank, keys->n - 1) * SCATTER % keys->n;
}
